export { cutCandidates } from './candidates.js'
export {
  type Block,
  type PartitionPlan,
  planEqualWorkers,
  type PlanCosts,
  type StagePlan,
} from './planner.js'
