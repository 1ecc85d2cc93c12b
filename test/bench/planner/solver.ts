import { type PlanProblem } from '../../../core/planner/problem.js'
import { type SolvedPlan, solvePlan } from '../../../core/planner/solver/index.js'
import { MillraceError } from '../../../core/errors.js'

/** For one trial. */
const LIMIT_MS = 2000

/** The solver's plan; undefined where none fits. */
export function solve(problem: PlanProblem, seed: number): SolvedPlan | undefined {
  try {
    return solvePlan(problem, { seed, timeLimitMs: LIMIT_MS, now: () => performance.now() })
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'PLAN_INFEASIBLE') return undefined
    throw error
  }
}
