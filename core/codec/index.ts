export { decodeEnvelope, decodeHeader } from './decode.js'
export { encodeEnvelope, type EncodeOptions } from './encode.js'
