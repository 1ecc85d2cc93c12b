export { decodeZfp, decodeZfpStream, type ZfpTensor } from './decode.js'
export { encodeZfp, type ZfpEncodeOptions } from './encode.js'
export { foldedDims } from './fold.js'
export { type ZfpMode } from './limits.js'
