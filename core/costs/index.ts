export {
  chainOf,
  type LiveCosts,
  memoryFactorsOf,
  partRunMs,
  timeOf,
  TYPICAL_TRANSPORT,
  wiredCrossing,
} from './chain.js'
export {
  type BlockCosts,
  type Costs,
  COSTS_VERSION,
  type CrossingCosts,
  type Machine,
  type MemoryCosts,
  type NodeCosts,
  parseCosts,
  type Rate,
} from './costs.js'
export { fitNonNegative, fitRate, type Observation } from './fit.js'
export { liveBytes, type Step } from './lifetimes.js'
export { least, quantile, relativeSpread } from './statistics.js'
export { type NodeTimes, nodeTimes } from './kernels.js'
export { type Kernel, readTrace } from './trace.js'
export { type BlockAndCutTimes, blockAndCutTimes, type BlockTimes } from './cut-costs.js'
export { type Growth, memoryCosts } from './memory.js'
