import test from 'ava'
import fc from 'fast-check'
import { AdmissionQueue, type Delivery } from '../../core/admission-queue.js'

interface Item {
  readonly id: number
  readonly bytes: number
}

const limits = fc.record({
  maxFrames: fc.integer({ min: 1, max: 5 }),
  maxBytes: fc.integer({ min: 1, max: 30 }),
})
/** Sizes of items that are offered; null takes one. */
const operations = fc.array(fc.option(fc.nat({ max: 20 }), { freq: 2 }), { maxLength: 60 })

function bytesOf(items: readonly Item[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Runs the operations on a queue and hands `check` what was there before and what came of each offer. */
function play(
  delivery: Delivery,
  max: { readonly maxFrames: number; readonly maxBytes: number },
  operations: readonly (number | null)[],
  check: (
    held: readonly Item[],
    item: Item,
    outcome: { admitted: boolean; displaced: readonly Item[] },
  ) => Item[],
  taken: (expected: Item | undefined, actual: Item | undefined, size: number) => void,
): void {
  const queue = new AdmissionQueue<Item>({ delivery, ...max })
  let held: Item[] = []
  operations.forEach((bytes, id) => {
    if (bytes === null) {
      const [first, ...rest] = held
      held = rest
      taken(first, queue.take(), queue.size)
    } else {
      const item = { id, bytes }
      held = check(held, item, queue.offer(item, bytes))
    }
  })
  while (queue.size > 0) taken(held.shift(), queue.take(), queue.size)
}

test('a lossless queue - takes what fits, refuses the rest, displaces nothing, first in first out', t => {
  fc.assert(
    fc.property(limits, operations, (max, operations) => {
      play(
        'lossless',
        max,
        operations,
        (held, item, { admitted, displaced }) => {
          const fits = held.length < max.maxFrames && bytesOf(held) + item.bytes <= max.maxBytes
          t.is(admitted, fits || held.length === 0)
          t.deepEqual(displaced, [])
          return admitted ? [...held, item] : [...held]
        },
        (expected, actual) => t.is(actual, expected),
      )
    }),
    { numRuns: 200 },
  )
})

test('a freshest queue - takes everything, keeps its bounds, and displaces the oldest and no more than it must', t => {
  fc.assert(
    fc.property(limits, operations, (max, operations) => {
      play(
        'freshest',
        max,
        operations,
        (held, item, { admitted, displaced }) => {
          t.true(admitted)
          t.deepEqual(displaced, held.slice(0, displaced.length))
          const now = [...held.slice(displaced.length), item]
          t.true(now.length === 1 || (now.length <= max.maxFrames && bytesOf(now) <= max.maxBytes))
          const oneMore = [...displaced.slice(-1), ...now]
          t.true(displaced.length === 0 || oneMore.length > max.maxFrames || bytesOf(oneMore) > max.maxBytes)
          return now
        },
        (expected, actual) => t.is(actual, expected),
      )
    }),
    { numRuns: 200 },
  )
})

test('a queue - takes an item that is larger than its bound when it is alone', t => {
  for (const delivery of ['lossless', 'freshest'] as const) {
    const queue = new AdmissionQueue<string>({ delivery, maxFrames: 2, maxBytes: 10 })
    t.deepEqual(queue.offer('large', 11), { admitted: true, displaced: [] })
    t.is(queue.take(), 'large')
    t.deepEqual(queue.offer('small', 10), { admitted: true, displaced: [] })
    t.is(queue.size, 1)
  }
})

test('a queue - gives nothing when it is empty, and counts on from there', t => {
  const queue = new AdmissionQueue<number>({ delivery: 'lossless', maxFrames: 2, maxBytes: 2 })
  t.is(queue.take(), undefined)
  t.true(queue.offer(1, 1).admitted)
  t.true(queue.offer(2, 1).admitted)
  t.false(queue.offer(3, 0).admitted)
})
