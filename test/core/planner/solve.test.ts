import test from 'ava'
import fc from 'fast-check'
import { bottleneckOf, latencyMs } from '../../../core/planner/objective.js'
import { type PlanProblem } from '../../../core/planner/problem.js'
import { PlanInfeasibleError, type SolvedPlan, solvePlan } from '../../../core/planner/solver/index.js'
import { codeOf } from '../../support/errors.js'
import { bruteForce, memoryOf } from './brute-force.js'
import { pinnedProblems, problems, relisted, smallProblem } from './problems.js'

const now = () => performance.now()

function planOrNone(problem: PlanProblem, clock = now): SolvedPlan | undefined {
  try {
    return solvePlan(problem, { now: clock })
  } catch (error) {
    if (error instanceof PlanInfeasibleError) return undefined
    throw error
  }
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

test('solvePlan - finds what trying all plans finds, on 1,000 small problems', t => {
  let placed = 0
  fc.assert(
    fc.property(problems(), problem => {
      const plan = planOrNone(problem)
      if (plan !== undefined) placed++
      return isBest(problem, plan)
    }),
    { numRuns: 1000 },
  )
  t.true(placed > 300, `only ${placed} of 1,000 problems had a plan`)
})

test('solvePlan - puts pinned blocks where they are to be, and is best among such plans', t => {
  fc.assert(
    fc.property(pinnedProblems, problem => isBest(problem)),
    { numRuns: 150 },
  )
  t.pass()
})

test('solvePlan - gives every block to one stage, and no stage more memory than its devices have', t => {
  fc.assert(
    fc.property(problems(), problem => {
      const stages = planOrNone(problem)?.stages ?? []
      for (const [i, { from, to, devices }] of stages.entries()) {
        t.is(from, stages[i - 1]?.to ?? 0)
        const memory = memoryOf(problem, from, to)
        for (const device of devices) t.true(memory <= (problem.devices[device]?.memoryBytes ?? 0))
      }
      const used = stages.flatMap(({ devices }) => devices)
      t.is(new Set(used).size, used.length)
      if (stages.length > 0) t.is(stages.at(-1)?.to, problem.chain.blocks.length)
    }),
    { numRuns: 150 },
  )
})

test('solvePlan - names the same devices whatever order they are listed in, and each time', t => {
  const shuffled = problems().chain(problem =>
    fc.record({
      problem: fc.constant(problem),
      order: fc.shuffledSubarray([...problem.devices.keys()], { minLength: problem.devices.length }),
    }),
  )
  fc.assert(
    fc.property(shuffled, ({ problem, order }) => {
      const inNames = (of: PlanProblem) =>
        planOrNone(of)?.stages.map(({ from, to, devices }) => ({
          from,
          to,
          ids: devices.map(device => of.devices[device]?.id).sort(),
        }))
      t.deepEqual(inNames(relisted(problem, order)), inNames(problem))
      t.deepEqual(inNames(problem), inNames(problem))
    }),
    { numRuns: 150 },
  )
})

test('solvePlan - is honest about its gap when time runs out', t => {
  let open = 0
  fc.assert(
    fc.property(problems(), fc.integer({ min: 1, max: 40 }), (problem, readings) => {
      // Time runs out after so many looks at the clock.
      let looks = 0
      const plan = planOrNone(problem, () => (looks++ < readings ? 0 : 1e9))
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
