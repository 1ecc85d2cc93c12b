export { wallClock } from './messages.js'
export { ONNXRUNTIME_VERSION, type OnnxSession, openSession, type SessionOptions } from './onnx-session.js'
export { type FrameSession, SessionPool } from './session-pool.js'
export { type ProcessedEnvelope, ThreadedSession } from './threaded-session.js'
