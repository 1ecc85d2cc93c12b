import test from 'ava'
import fc from 'fast-check'
import { fitNonNegative, relativeSpread } from '../../../core/costs/index.js'

const factor = fc.integer({ min: 0, max: 1_000 })

test('fit - finds the factors that exact measurements were made with, of whatever magnitude the inputs are', t => {
  fc.assert(
    fc.property(factor, factor, factor, (start, first, second) => {
      const inputs = Array.from({ length: 12 }, (_, i) => [1, 1e6 * (i % 4), 1e3 * Math.floor(i / 4)])
      const factors = [start, first / 1e6, second / 1e3]
      const observations = inputs.map(one => ({
        inputs: one,
        result: one.reduce((sum, input, i) => sum + input * (factors[i] ?? 0), 0),
      }))
      const found = fitNonNegative(observations)
      for (const [i, { result }] of observations.entries()) {
        const again = (inputs[i] ?? []).reduce((sum, input, j) => sum + input * (found[j] ?? 0), 0)
        t.true(Math.abs(again - result) <= 1e-4 * Math.max(1, result), `${again} for ${result}`)
      }
    }),
  )
})

test('fit - a few measurements that went wrong do not move it', t => {
  const observations = Array.from({ length: 20 }, (_, i) => ({
    inputs: [1, i],
    result: i % 7 === 3 ? 500 : 2 + 3 * i,
  }))
  const [start = NaN, slope = NaN] = fitNonNegative(observations)
  t.true(Math.abs(start - 2) < 0.05 && Math.abs(slope - 3) < 0.01, `${start} + ${slope} * i`)
})

test('fit - has no factor below zero, and none where an input never differs from zero', t => {
  const falling = Array.from({ length: 10 }, (_, i) => ({ inputs: [1, i, 0], result: 10 - i }))
  const [start = NaN, slope = NaN, nothing = NaN] = fitNonNegative(falling)
  t.true(start > 3 && start < 8)
  t.deepEqual([slope, nothing], [0, 0])
  t.deepEqual(fitNonNegative([]), [])
})

test('spread - is that of the middle half, relative to the median', t => {
  t.is(relativeSpread([8, 9, 10, 12, 90]), 0.3)
  t.is(relativeSpread([4, 4, 4, 4, 400]), 0)
  t.is(relativeSpread([]), 0)
})
