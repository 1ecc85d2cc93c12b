export { type BaselineName, baselines } from './baselines/index.js'
export { cutCandidates } from './candidates.js'
export { clusterProblem, type PlanLimits, type WorkerCosts } from './cluster-problem.js'
export { cutInOrder, type OrderedParts, placedInOrder } from './in-order.js'
export {
  bottleneckOf,
  latencyMs,
  type Load,
  loadsOf,
  memoryBytes,
  type Resource,
  sharesOf,
  workMs,
} from './objective.js'
export {
  type Figures,
  figuresOf,
  type LoadReport,
  planReport,
  type PlanReport,
  type StageReport,
} from './plan-report.js'
export {
  type Chain,
  type ChainBlock,
  type Crossing,
  type Network,
  type PlanDevice,
  type PlannedStage,
  type PlanProblem,
} from './problem.js'
export { busiestMs, joined, rebalanced } from './rebalance.js'
export { recut } from './recut.js'
export {
  type Lack,
  PlanInfeasibleError,
  type SolvedPlan,
  type SolveOptions,
  solvePlan,
} from './solver/index.js'
export { changedCluster } from './what-if.js'
export { type PlanWorker, type WorkerLimits, workersProblem } from './worker-problem.js'
