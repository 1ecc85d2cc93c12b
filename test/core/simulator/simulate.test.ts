import test from 'ava'
import { bottleneckOf, latencyMs } from '../../../core/planner/objective.js'
import { simulate } from '../../../core/simulator/index.js'
import { randomOf } from '../../../core/synthetic/index.js'
import { codeOf } from '../../support/errors.js'
import { plainProblem, randomCase, randomProblem } from '../../support/plans.js'

const NEVER = 1e12

/** How far `value` is from `expected`, as a share of it. */
function error(value: number, expected: number): number {
  return Math.abs(value / expected - 1)
}

test('simulator - frames per second are within 2 % of what 100 random plans predict, half with replicas', t => {
  const bottlenecks = new Set<string>()
  for (let seed = 0; seed < 100; seed++) {
    const { problem, stages } = randomCase(seed, seed % 2 === 1)
    const { resource, ms } = bottleneckOf(problem, stages)
    bottlenecks.add(resource.kind)
    const { fps, frames } = simulate(problem, stages, { frames: 6_000, window: 400, deadlineMs: NEVER })
    t.is(frames.predicted, 6_000)
    t.true(error(fps, 1000 / ms) < 0.02, `plan ${seed}: ${fps} fps, predicted ${1000 / ms}`)
  }
  t.true(bottlenecks.size >= 3, [...bottlenecks].join(', '))
})

test('simulator - the slowest resource of a plan is the busiest, and always busy', t => {
  for (let seed = 0; seed < 20; seed++) {
    const { problem, stages } = randomCase(seed, false)
    const { resource } = bottleneckOf(problem, stages)
    const { utilisation } = simulate(problem, stages, { frames: 2_000, window: 200, deadlineMs: NEVER })
    const busiest = utilisation.reduce((most, next) => (next.busy > most.busy ? next : most))
    t.deepEqual(busiest.resource, resource)
    t.true(busiest.busy > 0.98 && busiest.busy <= 1 + 1e-9)
  }
})

test('simulator - a frame takes through an empty pipeline what its plan says, and a window of 1 has one at a time', t => {
  for (let seed = 0; seed < 50; seed++) {
    const { problem, stages } = randomCase(seed, false)
    const expected = latencyMs(problem, stages)
    t.true(error(simulate(problem, stages, { frames: 1 }).latencyMs.p50, expected) < 1e-9)
    const { fps, latencyMs: latency } = simulate(problem, stages, {
      frames: 50,
      window: 1,
      deadlineMs: NEVER,
    })
    t.true(error(fps, 1000 / expected) < 1e-9)
    t.true(error(latency.p99, expected) < 1e-9)
  }
})

test("simulator - Little's law: frames under way are frames per second times the time that each takes", t => {
  for (let seed = 0; seed < 20; seed++) {
    const { problem, stages } = randomCase(seed, true)
    const run = simulate(problem, stages, {
      frames: 2_000,
      window: 1 + (seed % 7) * 5,
      order: 'completion',
      deadlineMs: NEVER,
      jitter: 0.5,
      random: randomOf('little', seed),
    })
    const perMs = run.frames.predicted / run.endedAt
    t.true(error(run.framesUnderWay, perMs * run.latencyMs.mean) < 1e-9)
  }
})

test('simulator - the same seed gives the same run, and another seed another', t => {
  const { problem, stages } = randomCase(3, true)
  const runOf = (seed: number) =>
    simulate(problem, stages, {
      frames: 300,
      jitter: 0.3,
      random: randomOf(seed),
      faults: [{ kind: 'down', device: 0, at: 500, until: 2_000 }],
    })
  t.deepEqual(runOf(1), runOf(1))
  t.notDeepEqual(runOf(1).entries, runOf(2).entries)
})

test('simulator - jitter leaves the mean work as it is', t => {
  const run = simulate(plainProblem([10], 1), [{ from: 0, to: 1, devices: [0] }], {
    frames: 4_000,
    deadlineMs: NEVER,
    jitter: 1,
    random: randomOf('jitter'),
  })
  t.true(error(run.fps, 100) < 0.05)
})

test('simulator - a window that adapts is as fast as a large one, and its frames are less late', t => {
  const problem = plainProblem([10, 30, 10], 3)
  const stages = [0, 1, 2].map(i => ({ from: i, to: i + 1, devices: [i] }))
  const options = { frames: 2_000, window: 256, deadlineMs: NEVER }
  const fixed = simulate(problem, stages, options)
  const adapting = simulate(problem, stages, { ...options, leastWindow: 4 })
  t.true(error(adapting.fps, fixed.fps) < 0.02)
  t.true(adapting.latencyMs.p50 < fixed.latencyMs.p50 / 10)
})

test('simulator - a window that adapts leaves no equal stages idle that are held up now and then', t => {
  const problem = plainProblem([10, 10, 10, 10, 10, 10, 10, 10], 8)
  const stages = problem.devices.map((_, i) => ({ from: i, to: i + 1, devices: [i] }))
  const options = { frames: 4_000, window: 36, deadlineMs: NEVER, jitter: 0.5 }
  const fpsOf = (change: { leastWindow?: number }) =>
    simulate(problem, stages, { ...options, ...change, random: randomOf('held up') }).fps
  const [fixed, adapting] = [fpsOf({}), fpsOf({ leastWindow: 4 })]
  t.true(adapting > 0.93 * fixed, `${adapting} of ${fixed}`)
})

test('simulator - two stages on one device share its time, and replicas take frames as their speed is', t => {
  const problem = plainProblem([10, 30], 2)
  const hosts = [0, 0].map((device, i) => ({ from: i, to: i + 1, devices: [device] }))
  t.true(error(simulate(problem, hosts, { frames: 1_000 }).fps, 25) < 0.01)
  const devices = problem.devices.map((device, i) => ({ ...device, speed: i === 0 ? 3 : 1 }))
  const replicated = simulate({ ...problem, devices }, [{ from: 0, to: 2, devices: [0, 1] }], {
    frames: 2_000,
  })
  t.true(error(replicated.fps, 100) < 0.02)
})

test('simulator - all links of a device share its card, which then decides', t => {
  const problem = plainProblem([10, 10], 3)
  const stages = [
    { from: 0, to: 1, devices: [0] },
    { from: 1, to: 2, devices: [1, 2] },
  ]
  const rates = problem.network.rates.map(row => row.map(() => 0.05))
  const network = { ...problem.network, rates }
  const sends = problem.devices.map((device, i) => (i === 0 ? { ...device, sendRate: 0.05 } : device))
  const fpsOf = (changed: Partial<typeof problem>) =>
    simulate({ ...problem, ...changed }, stages, { frames: 500 }).fps
  t.true(error(fpsOf({}), 100) < 0.01)
  t.true(error(fpsOf({ network, devices: sends }), 50) < 0.01)
  t.true(error(fpsOf({ network: { ...network, dispatcherReceiveRate: 0.025 } }), 25) < 0.01)
})

test('simulator - of a source that is too fast, `freshest` drops the oldest frames, and predictions are fresh', t => {
  const run = simulate(plainProblem([10], 1), [{ from: 0, to: 1, devices: [0] }], {
    frames: 1_000,
    everyMs: 5,
    delivery: 'freshest',
    window: 1,
  })
  t.true(error(run.fps, 100) < 0.01)
  t.is(run.frames.predicted + run.frames.dropped, 1_000)
  t.true(run.frames.dropped > 490)
  t.true(run.latencyMs.p99 <= 20)
  const reasons = new Set(run.entries.map(entry => (entry.end === 'dropped' ? entry.reason : entry.end)))
  t.deepEqual([...reasons].sort(), ['predicted', 'stale'])
})

test('simulator - of a source that is too fast, `lossless` drops what its queue has no room for', t => {
  const run = simulate(plainProblem([10], 1), [{ from: 0, to: 1, devices: [0] }], {
    frames: 1_000,
    everyMs: 5,
    window: 1,
    maxQueuedFrames: 10,
  })
  t.true(run.frames.dropped > 450 && run.frames.predicted + run.frames.dropped === 1_000)
  t.true(run.latencyMs.p99 > 90)
})

test('simulator - 1,000 workers and 10,000 frames are no trouble', t => {
  const problem = randomProblem(randomOf('large'), 1_000)
  const blocks = problem.chain.blocks.length
  const edges = Array.from({ length: 21 }, (_, i) => Math.round((i * blocks) / 20))
  const stages = edges.slice(1).map((to, i) => ({
    from: edges[i] ?? 0,
    to,
    devices: Array.from({ length: 50 }, (_, k) => 50 * i + k),
  }))
  const { frames } = simulate(problem, stages, { frames: 10_000, window: 2_000, deadlineMs: NEVER })
  t.is(frames.predicted, 10_000)
})

test('simulator - refuses plans that are none, faults of what is not there, and jitter without a seed', t => {
  const problem = plainProblem([1, 1], 2)
  const stages = [
    { from: 0, to: 1, devices: [0] },
    { from: 1, to: 2, devices: [1] },
  ]
  const cut = problem.network.rates.map((row, from) => row.map(rate => (from === 0 ? 0 : rate)))
  const noWay = { ...problem, network: { ...problem.network, rates: cut } }
  const cases = [
    () => simulate(problem, stages.slice(1)),
    () => simulate(problem, stages.slice(0, 1)),
    () => simulate(problem, []),
    () => simulate(problem, [{ from: 0, to: 2, devices: [] }]),
    () => simulate(noWay, stages),
    () => simulate(problem, stages, { faults: [{ kind: 'down', device: 2, at: 0 }] }),
    () => simulate(problem, stages, { faults: [{ kind: 'cut', from: 0, to: 3, at: 0 }] }),
    () => simulate(problem, stages, { faults: [{ kind: 'down', device: 0, at: 5, until: 5 }] }),
    () => simulate(problem, stages, { faults: [{ kind: 'slow', device: 0, at: 5, factor: 0 }] }),
    () => simulate(problem, stages, { jitter: 0.1 }),
    () => simulate(problem, stages, { frames: 0 }),
  ]
  for (const run of cases) t.is(codeOf(run), 'OPTION_INVALID', String(run))
})
