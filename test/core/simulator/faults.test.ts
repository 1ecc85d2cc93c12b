import test from 'ava'
import fc from 'fast-check'
import { type LedgerEntry } from '../../../core/ledger.js'
import { type Fault, simulate } from '../../../core/simulator/index.js'
import { randomOf } from '../../../core/synthetic/index.js'
import { plainProblem, randomCase } from '../../support/plans.js'

const DETECT_MS = 200

/** Three equal devices, the last two of them replicas; 10 ms and 2 x 20 ms. */
const problem = plainProblem([10, 20], 3)
const stages = [
  { from: 0, to: 1, devices: [0] },
  { from: 1, to: 2, devices: [1, 2] },
]
const run = (...faults: Fault[]) =>
  simulate(problem, stages, { frames: 1_000, window: 12, detectMs: DETECT_MS, faults })

/** Predictions per second between two times, in ms. */
function fpsBetween(entries: readonly LedgerEntry[], from: number, to: number): number {
  const within = entries.filter(({ end, endedAt }) => end === 'predicted' && endedAt > from && endedAt <= to)
  return (1000 * within.length) / (to - from)
}

const times = fc.record({ at: fc.nat(3_000), ms: fc.integer({ min: 1, max: 2_000 }), back: fc.boolean() })

/** A fault of one of the devices, or of a link between two of them and the dispatcher. */
const anyFault = fc
  .tuple(
    fc.constantFrom('down', 'slow', 'cut', 'rate'),
    fc.nat(99),
    fc.nat(99),
    fc.constantFrom(0.2, 3),
    times,
  )
  .map(([kind, a, b, factor, { at, ms, back }]) => (devices: number): Fault => {
    const during = { at, ...(back ? { until: at + ms } : {}) }
    const link = { from: a % (devices + 1), to: b % (devices + 1) }
    if (kind === 'down') return { kind, device: a % devices, ...during }
    if (kind === 'slow') return { kind, device: a % devices, factor, ...during }
    return kind === 'cut' ? { kind, ...link, ...during } : { kind: 'rate', factor, ...link, ...during }
  })

test('simulator - whatever fails, each admitted frame ends once, in time, and predictions come in order', t => {
  const options = fc.record({
    window: fc.integer({ min: 1, max: 40 }),
    detectMs: fc.constantFrom(0, 50, 500),
    deadlineMs: fc.constantFrom(100, 1_000, 5_000),
    everyMs: fc.option(fc.constantFrom(1, 20, 100), { nil: undefined }),
    delivery: fc.constantFrom('lossless' as const, 'freshest' as const),
    jitter: fc.constantFrom(0, 0.5),
  })
  fc.assert(
    fc.property(fc.nat(1e6), fc.array(anyFault, { maxLength: 6 }), options, (seed, faults, options) => {
      const { problem, stages } = randomCase(seed, seed % 2 === 0)
      const { entries, frames, framesUnderWay } = simulate(problem, stages, {
        ...options,
        frames: 120,
        random: randomOf(seed),
        faults: faults.map(fault => fault(problem.devices.length)),
      })
      const sequences = entries.map(({ sequence }) => sequence).sort((a, b) => a - b)
      t.deepEqual(
        sequences,
        Array.from({ length: 120 }, (_, i) => i),
      )
      t.is(frames.predicted + frames.dropped + frames.failed, frames.admitted)
      t.is(frames.admitted, 120)
      const predicted = entries.filter(({ end }) => end === 'predicted').map(({ sequence }) => sequence)
      t.deepEqual(
        predicted,
        predicted.toSorted((a, b) => a - b),
      )
      // A prediction may wait for an earlier frame, which ends at its own deadline.
      for (const { admittedAt, endedAt } of entries) {
        t.true(endedAt >= admittedAt && endedAt - admittedAt <= options.deadlineMs + 1e-6)
      }
      t.true(framesUnderWay <= options.window + 1e-9)
    }),
    { numRuns: 300 },
  )
})

test('simulator - with one replica gone the other goes on alone, and when it is back both do', t => {
  const { frames, entries, recoveries } = run({ kind: 'down', device: 2, at: 3_000, until: 6_000 })
  t.is(frames.predicted, 1_000)
  t.true(Math.abs(fpsBetween(entries, 500, 3_000) - 100) < 5)
  t.true(Math.abs(fpsBetween(entries, 3_500, 6_000) - 50) < 3)
  t.true(Math.abs(fpsBetween(entries, 6_500, 9_000) - 100) < 5)
  const [recovery] = recoveries
  t.deepEqual(recovery?.resource, { kind: 'device', device: 2 })
  t.is(recovery?.noticedAt, 3_000 + DETECT_MS)
  t.true((recovery?.lost ?? 0) > 0 && (recovery?.lost ?? 0) <= 12)
  t.true((recovery?.settledAt ?? 0) > 3_000 + DETECT_MS && (recovery?.settledAt ?? 0) < 4_000)
})

test('simulator - without the only device of a stage nothing is predicted until it is back, and nothing is lost', t => {
  const { frames, entries } = run({ kind: 'down', device: 0, at: 3_000, until: 5_000 })
  t.is(frames.predicted, 1_000)
  t.is(fpsBetween(entries, 3_100, 5_000), 0)
  t.true(Math.abs(fpsBetween(entries, 5_100, 8_000) - 100) < 5)
})

test('simulator - an outage that is over before it is noticed still costs the frames that were in it their time', t => {
  const { frames, entries, recoveries } = run({ kind: 'down', device: 0, at: 3_000, until: 3_001 })
  t.is(frames.predicted, 1_000)
  t.true((recoveries[0]?.lost ?? 0) > 0)
  t.is(fpsBetween(entries, 3_050, 3_000 + DETECT_MS), 0)
})

test('simulator - where a device never comes back, its frames fail at their deadline', t => {
  const { frames, entries } = simulate(problem, stages, {
    frames: 100,
    deadlineMs: 400,
    detectMs: DETECT_MS,
    faults: [{ kind: 'down', device: 0, at: 500 }],
  })
  t.true(frames.predicted > 30 && frames.failed > 40)
  const failed = entries.filter(({ end }) => end === 'failed')
  for (const { admittedAt, endedAt } of failed) t.is(endedAt, admittedAt + 400)
  t.true(failed.every(entry => entry.end === 'failed' && entry.error.code === 'FRAME_DEADLINE'))
})

test('simulator - frames go around a link that is cut, where there is another way', t => {
  const { frames, entries } = run({ kind: 'cut', from: 0, to: 2, at: 3_000, until: 6_000 })
  t.is(frames.predicted, 1_000)
  t.true(Math.abs(fpsBetween(entries, 3_500, 6_000) - 50) < 3)
  t.true(Math.abs(fpsBetween(entries, 6_500, 9_000) - 100) < 5)
})

test('simulator - no frame is sent towards a replica from which there is no way on', t => {
  const { frames, entries } = run({ kind: 'cut', from: 2, to: 3, at: 3_000 })
  t.is(frames.predicted, 1_000)
  t.true(Math.abs(fpsBetween(entries, 3_500, 9_000) - 50) < 2)
})

test('simulator - a device that is slower for a while is slower for that while, and loses nothing', t => {
  const { frames, entries, recoveries } = run({
    kind: 'slow',
    device: 0,
    at: 3_000,
    until: 6_000,
    factor: 0.5,
  })
  t.is(frames.predicted, 1_000)
  t.deepEqual(recoveries, [])
  t.true(Math.abs(fpsBetween(entries, 3_200, 6_000) - 50) < 2)
  t.true(Math.abs(fpsBetween(entries, 6_200, 8_000) - 100) < 3)
})

test('simulator - a link whose rate falls becomes the slowest resource', t => {
  const rates = problem.network.rates.map(row => row.map(() => 1))
  const slow = { ...problem, network: { ...problem.network, rates } }
  const { entries } = simulate(slow, stages, {
    frames: 1_000,
    window: 12,
    faults: [{ kind: 'rate', from: 3, to: 0, at: 3_000, until: 6_000, factor: 0.02 }],
  })
  t.true(Math.abs(fpsBetween(entries, 1_000, 3_000) - 100) < 3)
  t.true(Math.abs(fpsBetween(entries, 3_500, 6_000) - 20) < 2)
})

test('simulator - results that come after the deadline of their frame are duplicates', t => {
  const { frames } = simulate(problem, stages, {
    frames: 200,
    window: 12,
    deadlineMs: 200,
    faults: [{ kind: 'slow', device: 0, at: 500, until: 1_500, factor: 0.1 }],
  })
  t.true(frames.failed > 0 && frames.duplicates > 0)
  t.is(frames.predicted + frames.failed, 200)
})
