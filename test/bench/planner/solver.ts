import { type PlanProblem } from '../../../core/planner/problem.js'
import { type SolvedPlan, solvePlan } from '../../../core/planner/solver/index.js'
import { MillraceError } from '../../../core/errors.js'

/** The solver's plan; undefined where none fits. */
export function solve(problem: PlanProblem, seed: number, timeLimitMs: number): SolvedPlan | undefined {
  try {
    return solvePlan(problem, { seed, timeLimitMs, now: () => performance.now() })
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'PLAN_INFEASIBLE') return undefined
    throw error
  }
}
