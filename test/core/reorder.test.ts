import test from 'ava'
import fc from 'fast-check'
import { Reorder } from '../../core/reorder.js'

/** Numbers from `first` on, each with whether it has something to deliver, in the order in which they end. */
const runs = fc
  .tuple(fc.nat({ max: 1000 }), fc.array(fc.boolean(), { maxLength: 40 }))
  .chain(([first, delivers]) => {
    const ends = delivers.map((delivered, i) => ({ sequence: first + i, delivered }))
    return fc.tuple(
      fc.constant(first),
      fc.shuffledSubarray(ends, { minLength: ends.length, maxLength: ends.length }),
    )
  })

test('reordering - any order of ends, with gaps, becomes the order of admission', t => {
  fc.assert(
    fc.property(runs, ([first, ends]) => {
      const reorder = new Reorder<number>('admission', first)
      const out = ends.flatMap(({ sequence, delivered }) =>
        reorder.settle(sequence, delivered ? sequence : undefined),
      )
      t.deepEqual(
        out,
        ends
          .filter(end => end.delivered)
          .map(end => end.sequence)
          .sort((a, b) => a - b),
      )
    }),
    { numRuns: 200 },
  )
})

test('reordering - a prediction is held no longer than an earlier frame is open', t => {
  fc.assert(
    fc.property(runs, ([first, ends]) => {
      const reorder = new Reorder<number>('admission', first)
      const ended = new Set<number>()
      const out: number[] = []
      for (const { sequence, delivered } of ends) {
        out.push(...reorder.settle(sequence, delivered ? sequence : undefined))
        ended.add(sequence)
        let frontier = first
        while (ended.has(frontier)) frontier++
        const due = ends.filter(end => end.delivered && end.sequence < frontier)
        t.is(out.length, due.length)
      }
    }),
    { numRuns: 200 },
  )
})

test('reordering - in completion order everything goes out at once', t => {
  fc.assert(
    fc.property(runs, ([first, ends]) => {
      const reorder = new Reorder<number>('completion', first)
      for (const { sequence, delivered } of ends) {
        t.deepEqual(reorder.settle(sequence, delivered ? sequence : undefined), delivered ? [sequence] : [])
      }
    }),
    { numRuns: 50 },
  )
})

test('reordering - delivers values that are falsy', t => {
  const reorder = new Reorder<number | string | null>('admission', 0)
  t.deepEqual(reorder.settle(1, null), [])
  t.deepEqual(reorder.settle(2, ''), [])
  t.deepEqual(reorder.settle(0, 0), [0, null, ''])
})
