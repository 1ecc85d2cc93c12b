export { type Lack, PlanInfeasibleError } from './infeasible.js'
export { type SolvedPlan, type SolveOptions, solvePlan } from './solve.js'
