import test from 'ava'
import fc from 'fast-check'
import { baselines } from '../../../core/planner/baselines/index.js'
import { bottleneckOf, latencyMs } from '../../../core/planner/objective.js'
import { type PlanProblem } from '../../../core/planner/problem.js'
import { PlanInfeasibleError, type SolvedPlan, solvePlan } from '../../../core/planner/solver/index.js'
import { randomOf } from '../../../core/synthetic/index.js'
import { codeOf } from '../../support/errors.js'
import { bruteForce, memoryOf } from './brute-force.js'
import { clusterOf, pinnedProblems, problems, relisted, smallProblem } from './problems.js'

/** Stands still, so that no search is cut short on a busy machine. */
const now = () => 0

function planOrNone(problem: PlanProblem, clock = now): SolvedPlan | undefined {
  try {
    return solvePlan(problem, { now: clock })
  } catch (error) {
    if (error instanceof PlanInfeasibleError) return undefined
    throw error
  }
}

/** Time runs out after so many looks at it. */
function clockOf(readings: number): () => number {
  let looks = 0
  return () => (looks++ < readings ? 0 : 1e9)
}

function near(a: number, b: number): boolean {
  return Math.abs(a - b) <= 4e-9 * Math.max(a, b)
}

function isBest(problem: PlanProblem, plan = planOrNone(problem)): boolean {
  const best = bruteForce(problem)
  if (plan === undefined || best === undefined) return plan === best
  return (
    plan.optimal &&
    near(plan.bottleneckMs, best.bottleneckMs) &&
    near(plan.bottleneckMs, bottleneckOf(problem, plan.stages).ms) &&
    near(latencyMs(problem, plan.stages), best.latencyMs) &&
    plan.stages.flatMap(({ devices }) => devices).length === best.devices
  )
}

/** Each block in one stage, no device in two, and no stage with more memory than its devices have. */
function keepsRules(problem: PlanProblem, { stages }: SolvedPlan): boolean {
  const used = stages.flatMap(({ devices }) => devices)
  const joined = stages.every(({ from, to }, i) => from === (stages[i - 1]?.to ?? 0) && from < to)
  const fit = stages.every(({ from, to, devices }) =>
    devices.every(device => memoryOf(problem, from, to) <= (problem.devices[device]?.memoryBytes ?? 0)),
  )
  return (
    joined && fit && stages.at(-1)?.to === problem.chain.blocks.length && new Set(used).size === used.length
  )
}

/** By the first baseline that does better than a bottleneck; undefined: none does. */
function beatenBy(problem: PlanProblem, bottleneckMs: number): string | undefined {
  return Object.entries(baselines).find(([, plan]) => {
    const random = randomOf('baselines', 0)
    const stages = plan(problem, () => random.uniform())
    return stages !== undefined && bottleneckOf(problem, stages).ms < bottleneckMs * (1 - 4e-9)
  })?.[0]
}

const inRange = { minDevices: 2, maxDevices: 5, minBlocks: 4, maxBlocks: 13 }

function inNames({ devices }: PlanProblem, plan: SolvedPlan | undefined) {
  return plan?.stages.map(stage => ({
    ...stage,
    devices: stage.devices.map(device => devices[device]?.id).sort(),
  }))
}

test('solvePlan - is as fast as trying all plans, faster than every baseline, and within memory, in any order of devices', t => {
  let placed = 0
  const shuffled = problems(inRange).chain(problem =>
    fc.record({
      problem: fc.constant(problem),
      order: fc.shuffledSubarray([...problem.devices.keys()], { minLength: problem.devices.length }),
    }),
  )
  fc.assert(
    fc.property(shuffled, ({ problem, order }) => {
      const plan = planOrNone(problem)
      t.true(isBest(problem, plan))
      const other = relisted(problem, order)
      t.deepEqual(inNames(other, planOrNone(other)), inNames(problem, plan))
      t.is(beatenBy(problem, plan?.bottleneckMs ?? Infinity), undefined)
      if (plan === undefined) return
      placed++
      t.true(keepsRules(problem, plan))
    }),
    { numRuns: 1000 },
  )
  t.true(placed > 300, `only ${placed} of 1,000 problems had a plan`)
})

test('solvePlan - is no slower than any baseline, and within memory, where time runs out at once', t => {
  let open = 0
  let placed = 0
  for (let seed = 0; seed < 20; seed++) {
    const problem = clusterOf({ devices: 20, blocks: 40, seed })
    const lean = { ...problem, replicas: seed % 2 === 0, processBytes: 1.2e8 }
    const plan = planOrNone(lean, clockOf(3))
    t.is(beatenBy(lean, plan?.bottleneckMs ?? Infinity), undefined)
    if (plan === undefined) continue
    placed++
    t.true(keepsRules(lean, plan))
    if (!plan.optimal) open++
  }
  t.true(placed > 10 && open > 5, `${placed} placed, ${open} not proved`)
})

test('solvePlan - puts pinned blocks where they are to be, and is best among such plans', t => {
  fc.assert(
    fc.property(pinnedProblems, problem => isBest(problem)),
    { numRuns: 150 },
  )
  t.pass()
})

test('solvePlan - is honest about its gap when time runs out', t => {
  let open = 0
  fc.assert(
    fc.property(problems(), fc.integer({ min: 1, max: 40 }), (problem, readings) => {
      const plan = planOrNone(problem, clockOf(readings))
      if (plan === undefined) return
      const best = bruteForce(problem)?.bottleneckMs ?? Infinity
      t.true(plan.lowerBoundMs <= best * (1 + 4e-9))
      t.true(plan.bottleneckMs >= best * (1 - 4e-9))
      t.true(Math.abs(plan.bottleneckMs * (1 - plan.gap) - plan.lowerBoundMs) <= 1e-9 * plan.bottleneckMs)
      t.is(plan.gap === 0, plan.optimal)
      if (!plan.optimal) open++
    }),
    { numRuns: 200 },
  )
  t.true(open > 0)
})

test('solvePlan - uses one device when splitting loses, and replicas when they win', t => {
  const slowLinks = smallProblem({ devices: 4, rate: 1, memoryBytes: 1000 })
  t.deepEqual(solvePlan(slowLinks, { now }).stages, [{ from: 0, to: 4, devices: [0] }])
  const fastLinks = { ...smallProblem({ devices: 4, rate: 1e6, memoryBytes: 1000 }), replicas: true }
  const plan = solvePlan(fastLinks, { now })
  t.deepEqual(plan.stages, [{ from: 0, to: 4, devices: [0, 1, 2, 3] }])
})

test('solvePlan - says which block needs how many bytes more', t => {
  const problem = smallProblem({ devices: 3, rate: 10, memoryBytes: 90 })
  const error = t.throws(() => solvePlan(problem, { now }), { instanceOf: PlanInfeasibleError })
  t.is(error.code, 'PLAN_INFEASIBLE')
  t.deepEqual(error.lack, { kind: 'memory', block: 0, device: 'w0', bytes: 20 })
  t.regex(error.message, /block 0 needs 20 bytes more than w0/)
})

test('solvePlan - says how many devices would do, and then they do', t => {
  const problem = smallProblem({ devices: 3, rate: 10, memoryBytes: 110 })
  const error = t.throws(() => solvePlan(problem, { now }), { instanceOf: PlanInfeasibleError })
  t.deepEqual(error.lack, { kind: 'devices', device: 'w0', needed: 4, present: 3 })
  t.is(solvePlan(smallProblem({ devices: 4, rate: 10, memoryBytes: 110 }), { now }).stages.length, 4)
})

test('solvePlan - says when it is links that are missing', t => {
  const problem = smallProblem({ devices: 4, rate: 0, memoryBytes: 110 })
  const error = t.throws(() => solvePlan(problem, { now }), { instanceOf: PlanInfeasibleError })
  t.deepEqual(error.lack, { kind: 'links' })
})

test('solvePlan - refuses problems that are malformed', t => {
  const problem = smallProblem({ devices: 2, rate: 1, memoryBytes: 1000 })
  const [first, second] = problem.devices
  if (first === undefined || second === undefined) return t.fail()
  const malformed: PlanProblem[] = [
    { ...problem, devices: [first, { ...second, id: first.id }] },
    { ...problem, devices: [first, { ...second, speed: 0 }] },
    { ...problem, devices: [first] },
    { ...problem, chain: { ...problem.chain, crossings: [] } },
    { ...problem, pinned: new Map([[0, 7]]) },
  ]
  for (const each of malformed)
    t.is(
      codeOf(() => solvePlan(each, { now })),
      'PLAN_PROBLEM_INVALID',
    )
})
