import { type ErrorInfo } from '../../core/errors.js'
import { type PlanProblem, type SolvedPlan } from '../../core/planner/index.js'

export interface PlanningOrder {
  /** Without `memoryOf`: functions do not cross to a thread. */
  readonly problem: PlanProblem
  readonly seed: number
  readonly timeLimitMs: number
}

export type PlanningReply =
  | { readonly type: 'solved'; readonly plan: SolvedPlan }
  | { readonly type: 'failed'; readonly error: ErrorInfo }
