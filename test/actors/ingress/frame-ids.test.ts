import test from 'ava'
import fc from 'fast-check'
import { FrameIds } from '../../../actors/ingress/frame-ids.js'

test('frame ids - are known within a window of number and of time', t => {
  let now = 0
  const ids = new FrameIds({ dedupeFrames: 2, dedupeMs: 10 }, () => now)
  t.deepEqual(
    ['a', 'b', 'a', 'c', 'b', 'a'].map(id => ids.add(id)),
    [true, true, false, true, false, true],
  )
  now = 9
  t.false(ids.add('a'))
  now = 10
  t.true(ids.add('a'))
})

test('frame ids - without a window each frame is new', t => {
  const ids = new FrameIds({ dedupeFrames: 0, dedupeMs: 10 })
  t.true(ids.add('a'))
  t.true(ids.add('a'))
})

test('frame ids - an id that was taken back is new again', t => {
  const ids = new FrameIds({ dedupeFrames: 5, dedupeMs: 1_000 })
  ids.add('a')
  ids.remove('a')
  t.true(ids.add('a'))
})

test('frame ids - an id is new exactly when it is not among the last so many new ones', t => {
  const letters = fc.array(fc.constantFrom(...'abcdefgh'), { maxLength: 60 })
  fc.assert(
    fc.property(letters, fc.integer({ min: 1, max: 5 }), (sequence, dedupeFrames) => {
      const ids = new FrameIds({ dedupeFrames, dedupeMs: 1_000 }, () => 0)
      const fresh: string[] = []
      for (const id of sequence) {
        const expected = !fresh.slice(-dedupeFrames).includes(id)
        t.is(ids.add(id), expected)
        if (expected) fresh.push(id)
      }
    }),
  )
})
