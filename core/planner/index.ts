export { cutCandidates } from './candidates.js'
export {
  type Block,
  type PartitionPlan,
  planEqualWorkers,
  type PlanCosts,
  type StagePlan,
} from './planner.js'
export {
  type Chain,
  type ChainBlock,
  type Crossing,
  type Network,
  type PlanDevice,
  type PlannedStage,
  type PlanProblem,
} from './problem.js'
export {
  type Lack,
  PlanInfeasibleError,
  type SolvedPlan,
  type SolveOptions,
  solvePlan,
} from './solver/index.js'
