export { ActorFaults, type ActorParts } from './actor-faults.js'
export { type FaultEffect, serveFaults } from './serve-faults.js'
