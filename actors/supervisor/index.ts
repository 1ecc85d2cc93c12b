export { deployOptions, type DeployOptions, type DeployOptionsInput } from './deploy-options.js'
export { checkImageOptions, sensorSettingsOf } from './sensor-options.js'
export { type SupervisorOptions, supervisorOptions } from './options.js'
export { leaderClientId, Supervisor, type SupervisorParts } from './supervisor.js'
