import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { partIdOfFile } from '../../../actors/model-store/index.js'
import { filesIn, rejection, testFolder, testStore } from '../../support/actors.js'

const DATA = new TextEncoder().encode('a partition')
const ID = { sha256: createHash('sha256').update(DATA).digest('hex'), bytes: DATA.byteLength }

test('the part store - keeps data under its hash, in a folder that it makes', async t => {
  const folder = join(await testFolder(t), 'deep', 'store')
  const store = await testStore(t, { folder })
  t.false(await store.has(ID))
  t.deepEqual(await store.put(DATA), ID)
  t.true(await store.has(ID))
  t.deepEqual(new Uint8Array(await readFile(store.pathOf(ID.sha256))), DATA)
  t.deepEqual(await partIdOfFile(store.pathOf(ID.sha256)), ID)
  t.true(await (await testStore(t, { folder })).has(ID))
})

test('the part store - a file that was changed or cut short on disk is not the part', async t => {
  const store = await testStore(t)
  for (const spoilt of [DATA.with(3, 0), DATA.slice(1), new Uint8Array()]) {
    await store.put(DATA)
    await writeFile(store.pathOf(ID.sha256), spoilt)
    t.false(await store.has(ID))
  }
  await store.put(DATA)
  t.deepEqual(new Uint8Array(await readFile(store.pathOf(ID.sha256))), DATA)
})

test('the part store - what does not have the hash that it is said to have is not kept', async t => {
  const store = await testStore(t)
  t.is(await rejection(store.receive(ID, write => write(DATA.with(0, 0)))), 'PART_CORRUPT')
  const broken = store.receive(ID, async write => {
    await write(DATA.slice(0, 3))
    throw new Error('link gone')
  })
  await t.throwsAsync(broken, { message: 'link gone' })
  t.deepEqual(await filesIn(store), [])
})

test('the part store - a part that comes twice at once is there, and nothing else', async t => {
  const store = await testStore(t)
  await Promise.all([store.put(DATA), store.put(DATA), store.receive(ID, write => write(DATA))])
  t.deepEqual(await filesIn(store), [`${ID.sha256}.onnx`])
  t.true(await store.has(ID))
})

test('the part store - reads any range, as far as the part goes', async t => {
  const store = await testStore(t)
  await store.put(DATA)
  const range = fc.tuple(fc.nat({ max: 20 }), fc.integer({ min: 1, max: 20 }))
  await fc.assert(
    fc.asyncProperty(range, async ([offset, length]) => {
      const read = await store.read(ID.sha256, offset, length)
      t.deepEqual(read && new Uint8Array(read), DATA.slice(offset, offset + length))
    }),
    { numRuns: 50 },
  )
  t.is(await store.read('0'.repeat(64), 0, 10), undefined)
})

test('the part store - the id of a file that is not there is refused with its name', async t => {
  const path = join(await testFolder(t), 'absent.onnx')
  const error = await t.throwsAsync(partIdOfFile(path), { code: 'MODEL_NOT_FOUND' })
  t.true(error?.message.includes(path))
})
