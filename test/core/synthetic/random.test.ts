import test from 'ava'
import fc from 'fast-check'
import { randomOf } from '../../../core/synthetic/index.js'

const DRAWS = 200_000

test('a random generator - gives the same numbers for the same parts, on every machine', t => {
  const random = randomOf('frame', 1, 0)
  t.deepEqual([random.bits(), random.bits(), random.bits()], [2487024040, 3306387465, 296544191])
})

test('a random generator - gives unrelated numbers for other parts', t => {
  const firsts = Array.from({ length: 1000 }, (_, i) => randomOf('frame', i).bits())
  t.is(new Set(firsts).size, 1000)
  const mean = firsts.reduce((sum, bits) => sum + bits / 2 ** 32, 0) / 1000
  t.true(Math.abs(mean - 0.5) < 0.05)
  t.not(randomOf(1, 23).bits(), randomOf(12, 3).bits())
})

test('uniform numbers - are spread evenly over [0, 1)', t => {
  const random = randomOf(3)
  const counts = new Array<number>(10).fill(0)
  for (let i = 0; i < DRAWS; i++) {
    const bin = Math.floor(10 * random.uniform())
    counts[bin] = (counts[bin] ?? 0) + 1
  }
  t.is(counts.length, 10)
  for (const count of counts) t.true(Math.abs(count / DRAWS - 0.1) < 0.005)
})

test('integers below a bound - are in range and all occur', t => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.integer(), (bound, seed) => {
      const random = randomOf(seed)
      const seen = new Set(Array.from({ length: 400 }, () => random.below(bound)))
      t.is(seen.size, bound)
      t.true([...seen].every(value => Number.isInteger(value) && value >= 0 && value < bound))
    }),
    { numRuns: 30, seed: 1 },
  )
})

test('normal numbers - have the moments and the tails of the normal distribution', t => {
  const values = new Float32Array(5 * DRAWS)
  randomOf(4).fillNormal(values, 0, 1)
  const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / values.length
  const beyond = (limit: number) => values.filter(value => Math.abs(value) > limit).length / values.length
  t.true(Math.abs(moment(1)) < 0.005)
  t.true(Math.abs(moment(2) - 1) < 0.01)
  t.true(Math.abs(moment(3)) < 0.02)
  t.true(Math.abs(moment(4) - 3) < 0.06)
  t.true(Math.abs(beyond(1) - 0.3173) < 0.003)
  t.true(Math.abs(beyond(3) - 0.0027) < 0.0003)
  t.true(Math.abs(beyond(3.6) - 0.000318) < 0.00008)
})

test('normal numbers - take the mean and the deviation asked for', t => {
  const values = new Float32Array(DRAWS)
  randomOf(5).fillNormal(values, 3, 0.5)
  const mean = values.reduce((sum, value) => sum + value, 0) / DRAWS
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / DRAWS
  t.true(Math.abs(mean - 3) < 0.01)
  t.true(Math.abs(variance - 0.25) < 0.01)
})
