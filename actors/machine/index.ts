export { availableBytes, type MemoryShare } from './available-bytes.js'
export { cpuQuota } from './cpu-quota.js'
export { collectSeldom } from './heap-growth.js'
