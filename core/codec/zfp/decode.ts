import { MillraceError } from '../../errors.js'
import { byteLength, elementCount } from '../../tensor.js'
import { BitReader } from './bit-reader.js'
import { Block } from './block.js'
import { isTensor } from './encode.js'
import { blockCount, BlockGrid } from './grid.js'
import { readHeader, type StreamHeader } from './header.js'
import { isReversible, limitsOf, type ZfpMode } from './limits.js'
import { decodeLossy } from './lossy.js'
import { decodeReversible } from './reversible.js'

/** ONNX itself ends here. */
const MOST_TENSOR_BYTES = 2 ** 31
/** Streams are filled up to words of at most so many bytes. */
const WORD_BYTES = 8
const DEFAULT_MOST_BYTES = 2 ** 28

export interface ZfpTensor {
  /** Row-major, 1 to 4. */
  readonly dims: readonly number[]
  readonly values: Float32Array<ArrayBuffer>
}

/**
 * The values of a stream without a header.
 * @param stream  what `encodeZfp` wrote with the same dims and mode, or the program `zfp`
 * @throws TENSOR_INVALID, OPTION_INVALID: dims or a mode that cannot be
 * @throws ZFP_INVALID: the stream is shorter or longer than these dims and this mode make it
 */
export function decodeZfp(
  stream: Uint8Array,
  dims: readonly number[],
  mode: ZfpMode,
): Float32Array<ArrayBuffer> {
  if (!isTensor(dims)) throw new MillraceError('TENSOR_INVALID', `ZFP has no tensors of [${dims.join(', ')}]`)
  return decodeBlocks(new BitReader(stream), { dims, limits: limitsOf(mode, dims.length) }, MOST_TENSOR_BYTES)
}

/**
 * The values of a stream that begins with a header, and their dims.
 * @param mostBytes  what the values may take in memory, at most 2^31: a stream may unfold to some thousand times its length
 * @throws ZFP_INVALID: no such stream, one cut off or with something behind it, or one of more than `mostBytes`
 */
export function decodeZfpStream(stream: Uint8Array, mostBytes = DEFAULT_MOST_BYTES): ZfpTensor {
  const reader = new BitReader(stream)
  const header = readHeader(reader)
  const values = decodeBlocks(reader, header, Math.min(mostBytes, MOST_TENSOR_BYTES))
  return { dims: header.dims, values }
}

function decodeBlocks(
  reader: BitReader,
  { dims, limits }: StreamHeader,
  mostBytes: number,
): Float32Array<ArrayBuffer> {
  checkSize(reader, { dims, limits }, mostBytes)
  const values = new Float32Array(elementCount(dims))
  const tensor = new Int32Array(values.buffer)
  const block = new Block(dims.length)
  const decode = isReversible(limits) ? decodeReversible : decodeLossy
  new BlockGrid(dims).forEach((shape, first) => {
    reader.startBlock()
    decode(block, limits, reader)
    if (reader.left < 0) throw invalid(dims, 'ends too early')
    block.scatter(tensor, shape, first)
  })
  if (reader.left >= 8 * WORD_BYTES) throw invalid(dims, `has ${reader.left >>> 3} bytes behind its end`)
  return values
}

/** Memory is given only to what the length of the stream makes believable. */
function checkSize(reader: BitReader, { dims, limits }: StreamHeader, mostBytes: number): void {
  const bytes = byteLength('float32', dims)
  if (!(bytes <= mostBytes))
    throw invalid(dims, `would take ${bytes} bytes, more than the ${mostBytes} allowed`)
  const least = blockCount(dims) * (isReversible(limits) ? 1 : limits.minBits)
  if (least > reader.left) throw invalid(dims, `takes ${Math.ceil(least / 8)} bytes or more, and is shorter`)
}

function invalid(dims: readonly number[], problem: string): MillraceError {
  return new MillraceError('ZFP_INVALID', `a ZFP stream of float32 [${dims.join(', ')}] ${problem}`)
}
