import test from 'ava'
import fc from 'fast-check'
import { type Block, planEqualWorkers } from '../../core/planner/index.js'
import { codeOf } from '../support/errors.js'

/** Small whole numbers, so that ties are frequent and sums exact. */
const exactCosts = fc.record({ computeMs: fc.nat({ max: 9 }), outBytes: fc.nat({ max: 9 }) })
const anyCosts = fc.record({
  computeMs: fc.double({ min: 0, max: 100, noNaN: true }),
  outBytes: fc.nat({ max: 1_000_000 }),
})

interface Costs {
  readonly computeMs: number
  readonly outBytes: number
}

/** Blocks of 1, 2, 3, 1, 2, 3... nodes. */
function blocksOf(costs: readonly Costs[]): Block[] {
  let from = 0
  return costs.map((cost, i) => {
    const block = { ...cost, from, to: from + 1 + (i % 3), weightBytes: 0 }
    from = block.to
    return block
  })
}

/** Every way to choose `count` of the blocks 1, 2, ... as the first of a part; earliest first. */
function choices(blocks: number, count: number, from = 1): number[][] {
  if (count === 0) return [[]]
  const all: number[][] = []
  for (let first = from; first < blocks; first++) {
    for (const rest of choices(blocks, count - 1, first + 1)) all.push([first, ...rest])
  }
  return all
}

/** The best plan by trying all, and what it costs. */
function bruteForce(costs: readonly Costs[], workers: number, msPerByte: number, linkMsPerByte = 0) {
  const plans = choices(costs.length, workers - 1).map(starts => {
    const edges = [0, ...starts, costs.length]
    const stageMs = edges.slice(1).map((end, i) => {
      const start = edges[i] ?? 0
      const compute = costs.slice(start, end).reduce((sum, { computeMs }) => sum + computeMs, 0)
      const bytes = (start === 0 ? 0 : (costs[start - 1]?.outBytes ?? 0)) + (costs[end - 1]?.outBytes ?? 0)
      return compute + bytes * msPerByte
    })
    const bytes = starts.reduce((sum, start) => sum + (costs[start - 1]?.outBytes ?? 0), 0)
    const linkMs = starts.map(start => (costs[start - 1]?.outBytes ?? 0) * linkMsPerByte)
    return { starts, stageMs, bytes, bottleneckMs: Math.max(...stageMs, ...linkMs) }
  })
  const least = Math.min(...plans.map(({ bottleneckMs }) => bottleneckMs))
  const fastest = plans.filter(({ bottleneckMs }) => bottleneckMs === least)
  const leanest = Math.min(...fastest.map(({ bytes }) => bytes))
  return fastest.find(({ bytes }) => bytes === leanest)
}

const workersFor = (costs: fc.Arbitrary<Costs>) =>
  fc
    .array(costs, { minLength: 1, maxLength: 9 })
    .chain(costs => fc.tuple(fc.constant(costs), fc.integer({ min: 1, max: costs.length })))

test('planning - finds what trying all plans finds: the fastest, of those the leanest, of those the earliest', t => {
  fc.assert(
    fc.property(workersFor(exactCosts), fc.constantFrom(0, 1, 0.25), ([costs, workers], msPerByte) => {
      const blocks = blocksOf(costs)
      const plan = planEqualWorkers(blocks, workers, { msPerByte })
      const best = bruteForce(costs, workers, msPerByte)
      t.is(best?.bottleneckMs, plan.bottleneckMs)
      t.deepEqual(
        plan.cuts,
        best?.starts.map(start => blocks[start]?.from),
      )
      t.deepEqual(
        plan.stages.map(({ computeMs }) => computeMs),
        best?.stageMs,
      )
    }),
    { numRuns: 500 },
  )
})

test('planning - is as fast as the best of all plans for costs that are measured', t => {
  fc.assert(
    fc.property(
      workersFor(anyCosts),
      fc.double({ min: 0, max: 1e-3, noNaN: true }),
      ([costs, workers], msPerByte) => {
        const plan = planEqualWorkers(blocksOf(costs), workers, { msPerByte })
        const best = bruteForce(costs, workers, msPerByte)?.bottleneckMs ?? NaN
        t.true(Math.abs(plan.bottleneckMs - best) <= 1e-9 * (1 + best))
      },
    ),
    { numRuns: 200 },
  )
})

test('planning - gives each worker a part, end to end, and says what each sends', t => {
  fc.assert(
    fc.property(workersFor(anyCosts), ([costs, workers]) => {
      const blocks = blocksOf(costs)
      const { stages, cuts, bottleneckMs } = planEqualWorkers(blocks, workers)
      t.is(stages.length, workers)
      t.is(stages[0]?.from, 0)
      t.is(stages.at(-1)?.to, blocks.at(-1)?.to)
      t.deepEqual(
        cuts,
        stages.slice(1).map(({ from }) => from),
      )
      t.deepEqual(
        cuts,
        stages.slice(0, -1).map(({ to }) => to),
      )
      t.is(bottleneckMs, Math.max(...stages.map(({ computeMs }) => computeMs)))
      for (const { from, to, outBytes } of stages) {
        t.true(from < to)
        t.is(blocks.find(block => block.to === to)?.outBytes, outBytes)
      }
    }),
    { numRuns: 100 },
  )
})

test('planning - comes to the same plan each time, and leaves the blocks as they are', t => {
  fc.assert(
    fc.property(workersFor(exactCosts), ([costs, workers]) => {
      const blocks = Object.freeze(blocksOf(costs).map(block => Object.freeze(block)))
      t.deepEqual(planEqualWorkers(blocks, workers), planEqualWorkers(structuredClone(blocks), workers))
    }),
    { numRuns: 50 },
  )
})

test('planning - the cost of bytes moves a cut to where few of them cross', t => {
  const blocks = blocksOf([
    { computeMs: 2, outBytes: 1 },
    { computeMs: 3, outBytes: 100 },
    { computeMs: 5, outBytes: 0 },
  ])
  t.deepEqual(planEqualWorkers(blocks, 2).cuts, [3])
  t.deepEqual(planEqualWorkers(blocks, 2, { msPerByte: 1 }).cuts, [1])
})

test('planning - the slowest link counts as the slowest part does', t => {
  fc.assert(
    fc.property(workersFor(exactCosts), fc.constantFrom(0, 0.5, 4), ([costs, workers], linkMsPerByte) => {
      const blocks = blocksOf(costs)
      const plan = planEqualWorkers(blocks, workers, { linkMsPerByte })
      const best = bruteForce(costs, workers, 0, linkMsPerByte)
      t.is(best?.bottleneckMs, plan.bottleneckMs)
      t.deepEqual(
        plan.cuts,
        best?.starts.map(start => blocks[start]?.from),
      )
    }),
    { numRuns: 300 },
  )
})

test('planning - a plan that is as fast is leaner where its first parts need not be fastest themselves', t => {
  const blocks = blocksOf([
    { computeMs: 1, outBytes: 0 },
    { computeMs: 1, outBytes: 9 },
    { computeMs: 1, outBytes: 0 },
    { computeMs: 9, outBytes: 0 },
  ])
  t.deepEqual(
    planEqualWorkers(blocks, 3).stages.map(({ outBytes }) => outBytes),
    [0, 0, 0],
  )
})

test('planning - refuses more parts than blocks, and fewer than one', t => {
  const blocks = blocksOf([{ computeMs: 1, outBytes: 0 }])
  for (const workers of [2, 0, -1, 1.5, NaN]) {
    t.is(
      codeOf(() => planEqualWorkers(blocks, workers)),
      'TOO_MANY_PARTITIONS',
    )
  }
  t.is(
    codeOf(() => planEqualWorkers([], 1)),
    'TOO_MANY_PARTITIONS',
  )
})

test('planning - 400 blocks for 16 workers take no more than a moment', t => {
  const costs = Array.from({ length: 400 }, (_, i) => ({
    computeMs: (i * 7919) % 13,
    outBytes: (i * 104729) % 997,
  }))
  const total = costs.reduce((sum, { computeMs }) => sum + computeMs, 0)
  const { bottleneckMs } = planEqualWorkers(blocksOf(costs), 16)
  t.true(bottleneckMs >= total / 16 && bottleneckMs <= total / 16 + 13)
})
