export { checkFrame, type FrameInput } from './check-frame.js'
export { Dispatcher, type DispatcherParts } from './dispatcher.js'
export { inferOptions, type InferOptions, type InferOptionsInput } from './options.js'
export { type AdmittedFrame, type Prediction, topK } from './prediction.js'
