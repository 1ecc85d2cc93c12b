import test from 'ava'
import fc from 'fast-check'
import { type BaselineName, baselines, kpathOf } from '../../../core/planner/baselines/index.js'
import { bottleneckOf, memoryBytes } from '../../../core/planner/objective.js'
import { type PlannedStage, type PlanProblem } from '../../../core/planner/problem.js'
import { randomOf } from '../../../core/synthetic/index.js'

const NAMES: readonly BaselineName[] = ['single', 'equal', 'random', 'greedy', 'kpath']
const FAST = 1000

interface Sketch {
  /** Weights of each block, in bytes: what decides on memory. */
  readonly weights: readonly number[]
  /** Bytes that cross between neighbouring blocks. */
  readonly bytes: readonly number[]
  /** Memory of each device. */
  readonly memory: readonly number[]
  readonly speeds?: readonly number[]
  /** Between devices, both ways. */
  readonly rate: (a: number, b: number) => number
}

/** Blocks of 1 ms; the dispatcher's links cost nothing. */
function problemOf({ weights, bytes, memory, speeds, rate }: Sketch): PlanProblem {
  const count = memory.length
  const ends = Array.from({ length: count + 1 }, (_, i) => i)
  const rateOf = (a: number, b: number) =>
    a === count || b === count ? FAST : rate(Math.min(a, b), Math.max(a, b))
  return {
    chain: {
      blocks: weights.map(weightBytes => ({ computeMs: 1, weightBytes, activationBytes: 0 })),
      crossings: [0, ...bytes, 0].map(count => ({ bytes: count, tensors: 1, sendMs: 0, receiveMs: 0 })),
    },
    devices: memory.map((memoryBytes, i) => ({
      id: `d${i}`,
      speed: speeds?.[i] ?? 1,
      memoryBytes,
      sendRate: FAST,
      receiveRate: FAST,
    })),
    network: {
      rates: ends.map(a => ends.map(b => (a === b ? 0 : rateOf(a, b)))),
      messageMs: 0,
      dispatcherSendRate: FAST,
      dispatcherReceiveRate: FAST,
    },
    processBytes: 0,
    weightFactor: 1,
    replicas: false,
  }
}

const sketches: fc.Arbitrary<Sketch> = fc
  .tuple(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 6 }), fc.nat())
  .chain(([blocks, devices, seed]) =>
    fc.record({
      weights: fc.array(fc.nat({ max: 9 }), { minLength: blocks, maxLength: blocks }),
      bytes: fc.array(fc.nat({ max: 9 }), { minLength: blocks - 1, maxLength: blocks - 1 }),
      memory: fc.array(fc.nat({ max: 40 }), { minLength: devices, maxLength: devices }),
      speeds: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: devices, maxLength: devices }),
      rate: fc.constant((a: number, b: number) => randomOf(seed, a, b).below(5)),
    }),
  )

const seeded = (seed: number) => {
  const random = randomOf('baselines', seed)
  return () => random.uniform()
}

function planned(name: BaselineName, sketch: Sketch, seed = 1): PlannedStage[] | undefined {
  return baselines[name](problemOf(sketch), seeded(seed))
}

const path = (stages: readonly PlannedStage[] | undefined) => stages?.map(({ devices }) => devices[0])
const ends = (stages: readonly PlannedStage[] | undefined) => stages?.map(({ to }) => to)

for (const name of NAMES) {
  test(`${name} - covers the model end to end, uses no device twice, keeps to memory and to links that exist`, t => {
    let found = 0
    fc.assert(
      fc.property(sketches, fc.nat(), (sketch, seed) => {
        const problem = problemOf(sketch)
        const stages = baselines[name](problem, seeded(seed))
        if (stages === undefined) return
        found++
        const used = stages.flatMap(({ devices }) => devices)
        t.is(new Set(used).size, used.length)
        t.is(stages.at(-1)?.to, sketch.weights.length)
        for (const [i, { from, to, devices }] of stages.entries()) {
          t.is(from, stages[i - 1]?.to ?? 0)
          t.true(from < to)
          t.is(devices.length, 1)
          t.true(memoryBytes(problem, from, to) <= (sketch.memory[devices[0] ?? -1] ?? -1))
        }
        t.true(Number.isFinite(bottleneckOf(problem, stages).ms))
      }),
      { numRuns: 300, seed: 1 },
    )
    t.true(found > 20)
  })

  test(`${name} - comes to the same plan with the same numbers`, t => {
    fc.assert(
      fc.property(sketches, fc.nat(), (sketch, seed) => {
        t.deepEqual(planned(name, sketch, seed), planned(name, sketch, seed))
      }),
      { numRuns: 100 },
    )
  })

  test(`${name} - has no plan where a block fits no device, and none without blocks or devices`, t => {
    const sketch = { weights: [1, 50], bytes: [1], memory: [9, 9], rate: () => 1 }
    t.is(planned(name, sketch), undefined)
    t.is(planned(name, { ...sketch, weights: [], bytes: [] }), undefined)
    t.is(planned(name, { ...sketch, memory: [] }), undefined)
  })
}

test('single - takes the fastest device that has memory for the whole model', t => {
  const sketch = { weights: [4, 4], bytes: [1], memory: [8, 7, 9], speeds: [1, 9, 2], rate: () => 1 }
  t.deepEqual(planned('single', sketch), [{ from: 0, to: 2, devices: [2] }])
})

test('equal - gives all devices as many blocks, in the order given, or as many devices one block as there are blocks', t => {
  const sketch = { weights: [1, 1, 1, 1, 1], bytes: [1, 1, 1, 1], memory: [9, 9], rate: () => 1 }
  t.deepEqual(ends(planned('equal', sketch)), [2, 5])
  t.deepEqual(path(planned('equal', sketch)), [0, 1])
  t.deepEqual(path(planned('equal', { ...sketch, weights: [1, 1], bytes: [1], memory: [9, 9, 9] })), [0, 1])
  t.is(planned('equal', { ...sketch, memory: [9, 2] }), undefined)
})

/** Answers with the given numbers, in turn. */
function numbers(...values: number[]): () => number {
  return () => {
    const value = values.shift()
    if (value === undefined) throw new Error('more numbers were drawn than expected')
    return value
  }
}

test('random - shuffles the devices, grows each part to their memory and moves its end to a uniform earlier cut', t => {
  const problem = problemOf({
    weights: [1, 1, 1, 1, 1, 1],
    bytes: [1, 1, 1, 1, 1],
    memory: [4, 4, 4],
    rate: () => 1,
  })
  // Two swaps: device 2 with 0, then 1 with itself: order 2, 1, 0. Ends: the 2nd of 4 cuts; then the rest fits.
  t.deepEqual(baselines.random(problem, numbers(0, 0.9, 0.3)), [
    { from: 0, to: 2, devices: [2] },
    { from: 2, to: 6, devices: [1] },
  ])
  // The same order; the 1st of 4 cuts, then the last of 4 (the part as it has grown), then the last block.
  t.deepEqual(baselines.random(problem, numbers(0, 0.9, 0, 0.99)), [
    { from: 0, to: 1, devices: [2] },
    { from: 1, to: 5, devices: [1] },
    { from: 5, to: 6, devices: [0] },
  ])
})

/** Places on a line; a link is the faster the nearer its ends. */
const line =
  (...places: number[]) =>
  (a: number, b: number) =>
    100 / Math.abs((places[a] ?? 0) - (places[b] ?? 0))

test('greedy - cuts where the fewest bytes cross in all, and walks from the best start to the nearest device each time', t => {
  // Parts of at most 2 blocks: cuts after 1 and 3 let 1,500 bytes cross, after 2 and 3 it is 4,000, after 2 and 4 7,000.
  const sketch = {
    weights: [1, 1, 1, 1, 1],
    bytes: [500, 3000, 1000, 4000],
    memory: [2, 2, 2, 2],
    rate: line(0, 7, 10, 12),
  }
  const plan = planned('greedy', sketch)
  t.deepEqual(ends(plan), [1, 3, 5])
  // Walks: 0, 1, 2 takes 35 ms at its slowest; 1, 2, 3 takes 20 ms; 2, 3, 1 takes 50 ms; 3, 2, 1 takes 30 ms.
  t.deepEqual(path(plan), [1, 2, 3])
})

test('greedy - cuts for the larger devices where the model does not fit as many small ones', t => {
  const sketch = { weights: [3, 3, 3], bytes: [1, 1], memory: [2, 6, 3, 9], rate: () => 0.1 }
  t.deepEqual(planned('greedy', sketch), [{ from: 0, to: 3, devices: [3] }])
})

test('k-path - places the links with most bytes first: on the fastest links, also where the rest suffers', t => {
  // One block per device; bytes 4, 20, 4. Fastest link: 1-2; around it 0-1 is slow, 2-3 and 1-3 are medium.
  const rates: Record<string, number> = { '0-1': 2, '0-2': 3, '0-3': 8, '1-2': 10, '1-3': 5, '2-3': 6 }
  const sketch = {
    weights: [1, 1, 1, 1],
    bytes: [4, 20, 4],
    memory: [1, 1, 1, 1],
    rate: (a: number, b: number) => rates[`${a}-${b}`] ?? 0,
  }
  const problem = problemOf(sketch)
  // Links 4 | 20 | 4: the middle gets 1-2; the first then gets the fastest to device 1 (3, at 5), the last 2-0 (3).
  t.deepEqual(path(kpathOf(2)(problem, seeded(1))), [3, 1, 2, 0])
  // One class: all three links at once, on the path whose slowest is the fastest: 0-3-2-1 with 8, 6, 10.
  t.deepEqual(path(kpathOf(1)(problem, seeded(1))), [0, 3, 2, 1])
})

test('k-path - joins a run to ends that are placed already', t => {
  // Classes of 10 bytes: 20 is above 2, 2, 20: the ends are placed first, and the two links between them as one run.
  const sketch = {
    weights: [1, 1, 1, 1, 1],
    bytes: [20, 2, 2, 20],
    memory: [1, 1, 1, 1, 1],
    rate: line(50, 103, 0, 101, 1),
  }
  const stages = kpathOf(2)(problemOf(sketch), seeded(1))
  t.deepEqual(path(stages), [2, 4, 0, 1, 3])
})

test('baselines - plan for 50 devices and 100 blocks', t => {
  const random = randomOf('large')
  const blocks = 100
  const sketch = {
    weights: Array.from({ length: blocks }, () => 1),
    bytes: Array.from({ length: blocks - 1 }, () => 1 + random.below(100)),
    memory: Array.from({ length: 50 }, () => 2 + random.below(3)),
    rate: (a: number, b: number) => 1 + randomOf('rate', a, b).below(1000),
  }
  for (const name of NAMES) {
    // The whole is too much for any of them.
    const last = name === 'single' ? undefined : blocks
    t.is(ends(planned(name, sketch))?.at(-1), last, name)
  }
})
