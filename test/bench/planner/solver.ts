import { type PlanProblem } from '../../../core/planner/problem.js'
import { type SolvedPlan, solvePlan } from '../../../core/planner/solver/index.js'
import { MillraceError } from '../../../core/errors.js'

/** The solver's plan; undefined where none fits. Its time is that of the processor: see `processorMs`. */
export function solve(problem: PlanProblem, seed: number, timeLimitMs: number): SolvedPlan | undefined {
  try {
    return solvePlan(problem, { seed, timeLimitMs, now: processorMs })
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'PLAN_INFEASIBLE') return undefined
    throw error
  }
}

/** What this process has used of processors, in ms, so that a busy machine makes no plan worse. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
