export { type AgentParts, WorkerAgent } from './agent.js'
export { deathWill } from './identity.js'
export { type WorkerOptions, workerOptions } from './options.js'
