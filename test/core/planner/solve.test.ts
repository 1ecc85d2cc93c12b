import test from 'ava'
import fc from 'fast-check'
import { bottleneckOf, latencyMs } from '../../../core/planner/objective.js'
import { type PlanProblem } from '../../../core/planner/problem.js'
import { PlanInfeasibleError, type SolvedPlan, solvePlan } from '../../../core/planner/solver/index.js'
import { bruteForce, memoryOf } from './brute-force.js'
import { problems, relisted } from './problems.js'

const now = () => performance.now()

function planOrNone(problem: PlanProblem): SolvedPlan | undefined {
  try {
    return solvePlan(problem, { now })
  } catch (error) {
    if (error instanceof PlanInfeasibleError) return undefined
    throw error
  }
}

function near(a: number, b: number): boolean {
  return Math.abs(a - b) <= 4e-9 * Math.max(a, b)
}

test('solvePlan - finds what trying all plans finds, on 1,000 small problems', t => {
  let placed = 0
  fc.assert(
    fc.property(problems(), problem => {
      const plan = planOrNone(problem)
      const best = bruteForce(problem)
      if (plan === undefined || best === undefined) return plan === best
      placed++
      return (
        plan.optimal &&
        near(plan.bottleneckMs, best.bottleneckMs) &&
        near(plan.bottleneckMs, bottleneckOf(problem, plan.stages).ms) &&
        near(latencyMs(problem, plan.stages), best.latencyMs) &&
        plan.stages.flatMap(({ devices }) => devices).length === best.devices
      )
    }),
    { numRuns: 1000, seed: 1 },
  )
  t.log(`${placed} of 1000 have a plan`)
  t.true(placed > 400)
})
void memoryOf
void relisted
