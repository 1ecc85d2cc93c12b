import { MillraceError } from '../../errors.js'
import { elementCount } from '../../tensor.js'
import { BitWriter } from './bit-writer.js'
import { Block } from './block.js'
import { BlockGrid } from './grid.js'
import { writeHeader } from './header.js'
import { isReversible, limitsOf, type ZfpMode } from './limits.js'
import { encodeLossy } from './lossy.js'
import { encodeReversible } from './reversible.js'

export interface ZfpEncodeOptions {
  /** Dims and mode stand before the values, so that `decodeZfpStream` needs nothing else. Default false. */
  readonly header?: boolean
}

/**
 * A tensor as a ZFP 1.0 stream, the same bytes as the program `zfp` 1.0.0 writes.
 * What decoding gives:
 * - `accuracy`: values off by at most the tolerance; where that is less than 2^-22 of the largest magnitude in the same
 *   block of 4 values in each dimension, by at most that much. Values next to the largest float32 may become Inf.
 * - `precision`, `rate`: no bound on the error of a value; it follows the largest magnitude in the block.
 * - `reversible`: the same bits, those of NaN too.
 *
 * Blocks of which all magnitudes are below 2^-97 are coded right here, while `zfp` 1.0.0 overflows; its own streams of them
 * hold other values.
 * @param values  as many as the product of `dims`
 * @param dims  row-major, 1 to 4, each 1 or more; dims of 1 cost space and time, as blocks have 4 values in each
 * @returns a stream in memory of its own
 * @throws TENSOR_INVALID: dims that cannot be, or of another product
 * @throws OPTION_INVALID: a mode that cannot be
 * @throws WIRE_OVERFLOW: NaN or Inf in a mode other than `reversible`
 * Source: P. Lindstrom, Fixed-Rate Compressed Floating-Point Arrays, IEEE TVCG 20(12), 2014; the documentation of zfp 1.0
 */
export function encodeZfp(
  values: Float32Array,
  dims: readonly number[],
  mode: ZfpMode,
  { header = false }: ZfpEncodeOptions = {},
): Uint8Array<ArrayBuffer> {
  checkTensor(values, dims)
  const limits = limitsOf(mode, dims.length)
  const grid = new BlockGrid(dims)
  const block = new Block(dims.length)
  const writer = new BitWriter(values.byteLength / 2)
  const tensor = new Int32Array(values.buffer, values.byteOffset, values.length)
  const encode = isReversible(limits) ? encodeReversible : encodeLossy
  if (header) writeHeader(writer, { dims, limits })
  grid.forEach((shape, first) => {
    writer.startBlock()
    block.gather(tensor, shape, first)
    encode(block, limits, writer)
  })
  return writer.finish()
}

function checkTensor(values: Float32Array, dims: readonly number[]): void {
  if (!isTensor(dims) || elementCount(dims) !== values.length) {
    throw new MillraceError(
      'TENSOR_INVALID',
      `ZFP takes 1 to 4 dims, each 1 or more; [${dims.join(', ')}] do not hold ${values.length} values`,
    )
  }
}

export function isTensor(dims: readonly number[]): boolean {
  return dims.length >= 1 && dims.length <= 4 && dims.every(dim => Number.isSafeInteger(dim) && dim >= 1)
}
