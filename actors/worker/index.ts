export { type AgentParts, deathWill, WorkerAgent } from './agent.js'
export { type WorkerOptions, workerOptions } from './options.js'
