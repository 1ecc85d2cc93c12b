export {
  type AdmittedFrame,
  type FrameInput,
  type InferOptionsInput as InferOptions,
  type Prediction,
  topK,
} from '../actors/dispatcher/index.js'
export { type DeployOptionsInput as DeployOptions } from '../actors/supervisor/index.js'
export { argMax, relativeError } from '../core/compare.js'
export { type PipelineStatus, type Plan, type PlanStage } from '../core/control/index.js'
export { type ErrorCode, ERRORS, MillraceError } from '../core/errors.js'
export { type FrameIdentity, type StageTiming } from '../core/frame.js'
export { type LedgerCounts, type LedgerEntry } from '../core/ledger.js'
export { type DType, type Tensor, tensor, type Tensors, type TensorSpec } from '../core/tensor.js'
export { Cluster } from './cluster.js'
export { connect, type ProgramOptionsInput as ConnectOptions } from './connect.js'
export { embedded, type EmbeddedOptionsInput as EmbeddedOptions } from './embedded.js'
export { Pipeline } from './pipeline.js'
