import test from 'ava'
import fc from 'fast-check'
import { Recent } from '../../core/recent.js'

const NOW = 1_700_000_000_000

/** Nearest rank. */
function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN
}

test('recent events - quantiles are within 2 % of those of the times themselves', t => {
  const times = fc.array(fc.double({ min: 1, max: 1e7, noNaN: true }), { minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(times, values => {
      const recent = new Recent()
      for (const value of values) recent.record(value, NOW)
      const { quantilesMs } = recent.summary(NOW)
      for (const [q, found = 0] of [
        [0.5, quantilesMs?.p50],
        [0.99, quantilesMs?.p99],
      ] as const) {
        const right = quantile(values, q)
        t.true(Math.abs(found - right) <= 0.02 * right, `${found} for ${right}`)
      }
    }),
  )
  t.pass()
})

test('recent events - the rate is that of a steady stream, from its second second on', t => {
  for (const perSecond of [1, 25, 1_000]) {
    const recent = new Recent()
    for (let i = 0; i < 20 * perSecond; i++) {
      const now = NOW + (1_000 * i) / perSecond
      recent.record(5, now)
      if (i < 2 * perSecond) continue
      const { rate } = recent.summary(now)
      t.true(rate >= perSecond * 0.75 && rate <= perSecond * 1.5 + 0.5, `${rate} for ${perSecond}`)
    }
  }
})

test('recent events - one that has just come is no stream of a thousand a second', t => {
  const recent = new Recent()
  recent.record(5, NOW)
  t.is(recent.summary(NOW + 1).rate, 1)
})

test('recent events - what is older than five seconds is forgotten', t => {
  const recent = new Recent()
  recent.record(80, NOW)
  t.false(recent.isEmpty(NOW + 3_900))
  t.true(recent.isEmpty(NOW + 5_000))
  t.deepEqual(recent.summary(NOW + 5_000), { rate: 0 })
  recent.record(7, NOW + 60_000)
  const { rate, quantilesMs } = recent.summary(NOW + 60_500)
  t.is(rate, 1)
  t.true((quantilesMs?.p99 ?? 0) < 8)
})

test('recent events - times that are none, and a clock that goes back, do no harm', t => {
  const recent = new Recent()
  for (const ms of [-1, 0, Infinity, 1e12]) recent.record(ms, NOW)
  recent.record(3, NOW - 10_000)
  const { rate, quantilesMs } = recent.summary(NOW - 10_000)
  t.is(rate, 1)
  t.true((quantilesMs?.p50 ?? 0) > 2 && (quantilesMs?.p50 ?? 0) < 4)
})
