import { execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type PartId, type PartStore } from '../../../actors/model-store/index.js'
import { filesIn, rejection, testFolder, testStore } from '../../support/actors.js'
import { inCheckout } from '../../support/index.js'

const SIZE = 100

/** A part of its own for each letter. */
function dataOf(letter: string, size = SIZE): Uint8Array {
  return new Uint8Array(size).fill(letter.charCodeAt(0))
}

/** Stores a part for each letter; the first was used longest ago. */
async function fill(store: PartStore, letters: string): Promise<PartId[]> {
  const parts: PartId[] = []
  for (const [i, letter] of [...letters].entries()) {
    const part = await store.put(dataOf(letter))
    await utimes(store.pathOf(part.sha256), 1_000 + i, 1_000 + i)
    parts.push(part)
  }
  return parts
}

/** For each part, whether it is there. */
function areIn(store: PartStore, parts: readonly PartId[]): Promise<boolean[]> {
  return Promise.all(parts.map(part => store.has(part)))
}

/** A part that is being written until `end` is called. */
async function slowly(store: PartStore, letter: string) {
  const part = await (await anyStore()).put(dataOf(letter))
  let end: () => void = () => {}
  const ending = new Promise<void>(resolve => (end = resolve))
  let begin: () => void = () => {}
  const begun = new Promise<void>(resolve => (begin = resolve))
  const done = store.receive(part, async write => {
    begin()
    await ending
    await write(dataOf(letter))
  })
  await Promise.race([begun, done])
  return { part, end, done }
}

let anyStore: () => Promise<PartStore>
test.before(t => {
  anyStore = () => testStore(t)
})

test('the limit of a part store - is kept by removing what was longest not used', async t => {
  const store = await testStore(t, { limitBytes: 3 * SIZE + 50 })
  const [a, b, c] = await fill(store, 'abc')
  if (a === undefined || b === undefined || c === undefined) return t.fail()
  t.true(await store.has(a))
  const d = await store.put(dataOf('d'))
  t.deepEqual(await areIn(store, [a, b, c, d]), [true, false, true, true])
  const large = await store.put(dataOf('e', 3 * SIZE))
  t.deepEqual(await areIn(store, [a, b, c, d, large]), [false, false, false, false, true])
})

test('the limit of a part store - counts what was there before, and what other processes put there', async t => {
  const folder = await testFolder(t)
  const [a, b] = await fill(await testStore(t, { folder }), 'ab')
  const store = await testStore(t, { folder, limitBytes: 2 * SIZE })
  if (a === undefined || b === undefined) return t.fail()
  t.deepEqual(await areIn(store, [a, b]), [true, true])
  await utimes(store.pathOf(b.sha256), 1, 1)
  await store.put(dataOf('c'))
  t.deepEqual(await areIn(store, [a, b]), [true, false])
})

test('the limit of a part store - what is held stays, whoever holds it, until it is let go', async t => {
  const folder = await testFolder(t)
  const store = await testStore(t, { folder, limitBytes: 2 * SIZE })
  const other = await testStore(t, { folder })
  const [a, b] = await fill(store, 'ab')
  if (a === undefined || b === undefined) return t.fail()
  await store.hold('one', [a.sha256])
  await store.hold('another', [a.sha256, b.sha256])
  await store.hold('another', [])
  await store.put(dataOf('c'))
  t.deepEqual(await areIn(store, [a, b]), [true, false])
  await store.hold('one', [])
  await other.hold('one', [a.sha256])
  await utimes(store.pathOf(a.sha256), 1, 1)
  await store.put(dataOf('d'))
  t.true(await store.has(a))
  await other.close()
  await utimes(store.pathOf(a.sha256), 1, 1)
  await store.put(dataOf('e'))
  t.false(await store.has(a))
})

test('the limit of a part store - a part for which there is no room is refused, and nothing is removed for it', async t => {
  const limitBytes = 2 ** 20
  const store = await testStore(t, { limitBytes })
  const [a, b] = await fill(store, 'ab')
  if (a === undefined || b === undefined) return t.fail()
  await store.hold('me', [a.sha256])
  const error = await t.throwsAsync(store.put(dataOf('c', limitBytes - SIZE + 1)), { code: 'CACHE_FULL' })
  for (const said of [
    String(limitBytes - SIZE + 1),
    String(limitBytes),
    '--cache-limit-mib 1',
    store.directory,
  ])
    t.true(error?.message.includes(said), said)
  t.regex(error?.message ?? '', /100 of them are in use/)
  t.deepEqual(await areIn(store, [a, b]), [true, true])
  t.is((await filesIn(store)).length, 2)
  await store.put(dataOf('c', limitBytes - SIZE))
  t.deepEqual(await areIn(store, [a, b]), [true, false])
})

test('the limit of a part store - counts parts on their way at their full size, in every process', async t => {
  const folder = await testFolder(t)
  const store = await testStore(t, { folder, limitBytes: 2 * SIZE })
  const other = await testStore(t, { folder, limitBytes: 2 * SIZE })
  const first = await slowly(store, 'a')
  const second = await slowly(other, 'b')
  t.is(await rejection(store.put(dataOf('c', 1))), 'CACHE_FULL')
  first.end()
  second.end()
  await Promise.all([first.done, second.done])
  t.deepEqual(await areIn(store, [first.part, second.part]), [true, true])
})

test('the limit of a part store - several at once do not count on the same room', async t => {
  const store = await testStore(t, { limitBytes: 2 * SIZE })
  const codes = await Promise.all(
    [...'abcd'].map(async letter => {
      const { end, done } = await slowly(store, letter).catch((error: unknown) => ({
        end: () => {},
        done: Promise.reject(error as Error),
      }))
      return { end, code: rejection(done) }
    }),
  )
  for (const { end } of codes) end()
  const ends = await Promise.all(codes.map(({ code }) => code))
  t.deepEqual(ends.filter(code => code === 'CACHE_FULL').length, 2)
})

test('a part store - removes what a killed process left half done, and only that', async t => {
  const folder = await testFolder(t)
  const living = await slowly(await testStore(t, { folder }), 'a')
  const door = inCheckout('dist/actors/model-store/index.js')
  const code = `
    const { PartStore } = await import(${JSON.stringify(door)})
    const store = await PartStore.open(${JSON.stringify(folder)})
    await store.hold('me', ['${'1'.repeat(64)}'])
    await store.workFolder()
    setInterval(() => {}, 1000)
    await store.receive({ sha256: '${'0'.repeat(64)}', bytes: 5 }, async () => {
      console.log('writing')
      await new Promise(() => {})
    })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  await writeFile(join(folder, 'notes.txt'), 'of somebody else')
  await testStore(t, { folder })
  const during = (await readdir(folder)).toSorted()
  t.is(during.filter(name => name.endsWith('.draft')).length, 2)
  t.is(during.filter(name => name.endsWith('.lease')).length, 2)
  t.is(during.filter(name => name.endsWith('.work')).length, 1)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await testStore(t, { folder })
  const after = await readdir(folder)
  t.deepEqual(after.map(name => name.slice(name.lastIndexOf('.'))).toSorted(), ['.draft', '.lease', '.txt'])
  living.end()
  await living.done
  t.true(await (await testStore(t, { folder })).has(living.part))
})

test('a part store - takes a process of another machine for gone when it has not been heard of for a minute', async t => {
  const folder = await testFolder(t)
  const leave = async (secondsAgo: number) => {
    const id = randomUUID()
    const lease = join(folder, `${id}.lease`)
    await writeFile(lease, JSON.stringify({ pid: 1, place: 'elsewhere', parts: [] }))
    await utimes(lease, new Date(), new Date(Date.now() - secondsAgo * 1_000))
    await mkdir(join(folder, `${id}.0.work`))
    const draft = `${'0'.repeat(64)}.${id}.1.draft`
    await writeFile(join(folder, draft), 'half')
    return [`${id}.lease`, `${id}.0.work`, draft]
  }
  const there = await leave(5)
  const gone = await leave(120)
  await testStore(t, { folder })
  const names = await readdir(folder)
  t.deepEqual(names.toSorted(), there.toSorted())
  t.false(gone.some(name => names.includes(name)))
})

/** A folder on a disk of a mebibyte; undefined where this machine cannot make one. */
function tinyDisk(t: ExecutionContext, folder: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    t.log('only root on Linux can mount a disk that is full')
    return false
  }
  t.teardown(() => execFileSync('umount', [folder]))
  return true
}

test('a part store - on a disk that is full says so, and loses nothing', async t => {
  const folder = await testFolder(t)
  if (!tinyDisk(t, folder)) return t.pass()
  const store = await testStore(t, { folder })
  const kept = await store.put(dataOf('a', 600_000))
  const error = await t.throwsAsync(store.put(dataOf('b', 600_000)), { code: 'DISK_FULL' })
  t.true(error?.message.includes(folder) && error.message.includes('600000'))
  t.true(await store.has(kept))
  t.deepEqual(await filesIn(store), [`${kept.sha256}.onnx`])
  const small = await store.put(dataOf('c', 300_000))
  t.is((await readFile(store.pathOf(small.sha256))).byteLength, 300_000)
})
