import { type PlanProblem } from '../../../core/planner/problem.js'
import { type SolvedPlan, solvePlan } from '../../../core/planner/solver/index.js'
import { MillraceError } from '../../../core/errors.js'

/** The solver's plan; undefined where none fits. Its time is that of the processor: see `processorMs`. */
export function solve(problem: PlanProblem, seed: number, timeLimitMs: number): SolvedPlan | undefined {
  try {
    return solvePlan(problem, { seed, timeLimitMs, now: coarseClock() })
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'PLAN_INFEASIBLE') return undefined
    throw error
  }
}

const GRAIN_MS = 5

/** Processor time that is not asked for more often than a search would notice: asking takes time too. */
function coarseClock(): () => number {
  let [read, ms] = [-Infinity, 0]
  return () => {
    const now = performance.now()
    if (now - read >= GRAIN_MS) [read, ms] = [now, processorMs()]
    return ms
  }
}

/** What this process has used of processors, in ms, so that a busy machine makes no plan worse. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
