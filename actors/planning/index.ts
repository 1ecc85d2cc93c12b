export { type PlanningOrder } from './messages.js'
export { solveInThread } from './solve-in-thread.js'
