export { deployOptions, type DeployOptions, type DeployOptionsInput } from './deploy-options.js'
export { knownLeader } from './leadership.js'
export { type SupervisorOptions, supervisorOptions } from './options.js'
export { leaderClientId, Supervisor, type SupervisorParts } from './supervisor.js'
