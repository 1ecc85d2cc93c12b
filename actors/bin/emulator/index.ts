export { EmulatedCluster } from './emulated-cluster.js'
export { changesOf } from './follow.js'
export { EMULATED_CLUSTER, type Place, readRecord, type RunRecord } from './records.js'
export { type DeviceReport, type EmulationReport, reportText } from './report.js'
