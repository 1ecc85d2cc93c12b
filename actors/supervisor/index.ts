export { type SupervisorOptions, supervisorOptions } from './options.js'
export { leaderClientId, Supervisor, type SupervisorParts } from './supervisor.js'
