/**
 * Control messages (decisions D4, D5): JSON, so that a person with any MQTT client can read them. A field that this
 * version does not know is ignored, so that versions can live side by side.
 */
export { DispatcherReport } from './dispatcher.js'
export { decodeControl, encodeControl, errorOf } from './encoding.js'
export { type PartSource, type Speed, errorInfo } from './fields.js'
export { PipelineStatus, Plan, type PlanReason, PlanStage, type Predicted } from './plan.js'
export { type ModelFiles, Order, Spec } from './spec.js'
export { Findings, Leader, LeaderBeat } from './supervisor.js'
export {
  Activation,
  type ActivationState,
  type ActorProgress,
  Actual,
  Beat,
  Birth,
  Crash,
  Death,
  Desired,
  PartRequest,
  type ProbeTarget,
  type ProbeUser,
  type Probes,
  activationKeyOf,
} from './worker.js'
