import test from 'ava'
import fc from 'fast-check'
import { replicaFor } from '../../core/schedule.js'

const weights = fc.array(fc.double({ min: 0.2, max: 5, noNaN: true }), { minLength: 1, maxLength: 8 })

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}

test('schedule - each replica gets its share of any run of frames, to within a few', t => {
  fc.assert(
    fc.property(weights, fc.nat(15), fc.nat({ max: 2 ** 40 }), (weights, stage, first) => {
      const taken = weights.map(() => 0)
      for (let i = 0; i < 1_000; i++) {
        const index = replicaFor(first + i, stage, weights) ?? -1
        taken[index] = (taken[index] ?? 0) + 1
      }
      for (const [i, weight] of weights.entries()) {
        const due = (1_000 * weight) / sumOf(weights)
        t.true(Math.abs((taken[i] ?? 0) - due) < 8, `${taken[i]} of ${due}`)
      }
    }),
    { numRuns: 200 },
  )
})

test('schedule - of two stages, each pair of replicas gets the product of its shares', t => {
  for (let stage = 0; stage < 7; stage++) {
    for (let other = stage + 1; other < 8; other++) {
      const taken = [0, 0, 0, 0]
      for (let sequence = 0; sequence < 4_000; sequence++) {
        const pair =
          2 * (replicaFor(sequence, stage, [1, 1]) ?? 0) + (replicaFor(sequence, other, [1, 3]) ?? 0)
        taken[pair] = (taken[pair] ?? 0) + 1
      }
      for (const [i, due] of [500, 1_500, 500, 1_500].entries()) {
        t.true(Math.abs((taken[i] ?? 0) - due) < 40, `stages ${stage} and ${other}: ${taken.join(', ')}`)
      }
    }
  }
})

test('schedule - what a replica of no weight would have taken goes to the others by their weights', t => {
  const taken = [0, 0, 0]
  for (let sequence = 0; sequence < 900; sequence++) {
    const index = replicaFor(sequence, 1, [1, 0, 2]) ?? -1
    taken[index] = (taken[index] ?? 0) + 1
  }
  t.is(taken[1], 0)
  t.true(Math.abs((taken[0] ?? 0) - 300) < 8)
})

test('schedule - where none has weight, none takes the frame', t => {
  t.is(replicaFor(3, 0, [0, 0]), undefined)
  t.is(replicaFor(3, 0, [0]), undefined)
  t.is(replicaFor(3, 0, []), undefined)
})
