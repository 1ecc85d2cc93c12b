import { closeSync, openSync, writeSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { type ThreadFrame, ThreadFrames } from '../../../actors/runtime/thread-frames.js'
import { openThreadNotes, readThreadNotes, threadNotes } from '../../../actors/runtime/thread-notes.js'
import { inTurns, testFolder } from '../../support/actors.js'

const PLACE_BYTES = 512

const names = fc.stringMatching(/^[a-z0-9-]{1,64}$/)
const threadFrames: fc.Arbitrary<ThreadFrame> = fc.record({
  ...{ pipeline: names, dispatcher: names, stream: names },
  ...{ epoch: fc.nat(), sequence: fc.nat() },
})

test('notes - say which frames are in threads, and leave no file', async t => {
  const folder = await testFolder(t)
  const fd = openThreadNotes(folder)
  t.deepEqual(await readdir(folder), [])
  const frames = new ThreadFrames()
  frames.noteTo(threadNotes(fd))
  t.deepEqual(readThreadNotes(fd), [])
  const at = { pipeline: 'p', dispatcher: 'door', stream: 'camera', epoch: 1 }
  const leave = frames.enter({ ...at, sequence: 0 })
  frames.enter({ ...at, sequence: 1 })
  t.deepEqual(readThreadNotes(fd), frames.all())
  leave()
  frames.enter({ ...at, sequence: 2 })()
  await inTurns(() => readThreadNotes(fd).length === 1)
  t.deepEqual(readThreadNotes(fd), [{ ...at, sequence: 1 }])
  closeSync(fd)
})

test('notes - of any frames, however many, are read as they were written', async t => {
  const folder = await testFolder(t)
  fc.assert(
    fc.property(fc.array(threadFrames, { maxLength: 100 }), all => {
      const fd = openThreadNotes(folder)
      const note = threadNotes(fd)
      for (const [place, frame] of all.entries()) note(place, frame)
      t.deepEqual(readThreadNotes(fd), all)
      closeSync(fd)
    }),
    { numRuns: 50 },
  )
})

test('notes - that are damaged are none, and harm no others', async t => {
  const folder = await testFolder(t)
  const frame = { pipeline: 'p', dispatcher: 'door', stream: 'camera', epoch: 1, sequence: 7 }
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: PLACE_BYTES }), bytes => {
      const fd = openThreadNotes(folder)
      threadNotes(fd)(1, frame)
      writeSync(fd, bytes, 0, bytes.byteLength, 0)
      t.deepEqual(readThreadNotes(fd).at(-1), frame)
      closeSync(fd)
    }),
    { numRuns: 200 },
  )
})

test('notes - that cannot be written are no reason to fail', async t => {
  const fd = openSync(join('/dev', 'full'), 'w')
  t.notThrows(() => {
    threadNotes(fd)(0, { pipeline: 'p', dispatcher: 'door', stream: 's', epoch: 1, sequence: 1 })
  })
  closeSync(fd)
})

test('notes - a folder that is not there is said', t => {
  const error = t.throws(() => openThreadNotes('/nowhere/at-all'))
  t.like(error, { code: 'RUNTIME_CRASHED' })
  t.regex(error.message, /32768 bytes in \/nowhere\/at-all/)
})
