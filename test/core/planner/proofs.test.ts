import test from 'ava'
import fc from 'fast-check'
import { bottleneckOf } from '../../../core/planner/objective.js'
import { lowerBound } from '../../../core/planner/solver/bounds.js'
import { instanceOf, rated } from '../../../core/planner/solver/instance.js'
import { WalkSearch } from '../../../core/planner/solver/walk-search.js'
import { solvePlan } from '../../../core/planner/solver/index.js'
import { bruteForce } from './brute-force.js'
import { clusterOf, problems } from './problems.js'

const never = () => false

test('lower bound - is never above the best plan', t => {
  fc.assert(
    fc.property(problems(), problem => {
      const best = bruteForce(problem)?.bottleneckMs ?? Infinity
      return lowerBound(instanceOf(problem)) <= best * (1 + 1e-9)
    }),
    { numRuns: 300 },
  )
  t.pass()
})

test('walk search - finds a plan within a time exactly when there is one', t => {
  fc.assert(
    fc.property(problems(), problem => {
      const instance = instanceOf({ ...problem, replicas: false })
      const search = new WalkSearch(instance, never)
      const best = bruteForce(instance.problem)?.bottleneckMs
      if (best === undefined) return search.find(Infinity) === 'none'
      const found = search.find(best * (1 + 1e-9))
      if (typeof found === 'string' || search.find(best * (1 - 1e-8)) !== 'none') return best === 0
      return bottleneckOf(instance.problem, rated(instance, found).stages).ms <= best * (1 + 2e-9)
    }),
    { numRuns: 300 },
  )
  t.pass()
})

test('solvePlan - proves its plan for 10 unequal devices and 100 cut positions, with replicas and without', t => {
  for (const replicas of [false, true]) {
    const problem = { ...clusterOf({ devices: 10, blocks: 101, seed: 1 }), replicas }
    const plan = solvePlan(problem, { now: () => performance.now(), timeLimitMs: 60_000 })
    t.true(plan.optimal)
    t.is(plan.gap, 0)
  }
})

test('solvePlan - with 50 unequal devices and little time, is within a tenth of the bound', t => {
  const problem = { ...clusterOf({ devices: 50, blocks: 101, seed: 1 }), replicas: true }
  const plan = solvePlan(problem, { now: () => performance.now(), timeLimitMs: 10_000 })
  t.true(plan.gap < 0.1)
})
