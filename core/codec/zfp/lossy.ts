import { MillraceError } from '../../errors.js'
import { type BitReader } from './bit-reader.js'
import { type BitWriter } from './bit-writer.js'
import { type Block } from './block.js'
import { biasedExponent, EXPONENT_BIAS, EXPONENT_BITS, toFloats, toIntegers } from './exponent.js'
import { type Limits } from './limits.js'
import { decodePlanes } from './planes-decoder.js'
import { encodePlanes } from './planes-encoder.js'
import { forwardLift, inverseLift } from './transform.js'
import { transpose } from './transpose.js'

const INFINITE = 0x7f80_0000
const ALL_PLANES = 32

/**
 * A bit that says whether the block is more than zeros, its exponent, and the bit planes of its coefficients.
 * @throws WIRE_OVERFLOW: the block holds NaN or Inf
 */
export function encodeLossy(block: Block, limits: Limits, writer: BitWriter): void {
  const start = writer.position
  const largest = block.largestBits()
  if (largest >= INFINITE) throw overflow()
  const biased = biasedExponent(largest)
  const precision = biased === 0 ? 0 : planesOf(biased, block.rank, limits)
  if (precision === 0) {
    writer.put(0, 1)
  } else {
    writer.put(1 | (biased << 1), 1 + EXPONENT_BITS)
    toIntegers(block.floats, biased, block.integers)
    forwardLift(block.integers)
    block.order()
    transpose(block.coefficients)
    encodePlanes(block.coefficients, precision, writer, start + limits.maxBits)
  }
  if (writer.position < start + limits.minBits) writer.moveTo(start + limits.minBits)
}

export function decodeLossy(block: Block, limits: Limits, reader: BitReader): void {
  const start = reader.position
  if (reader.take(1) === 0) {
    block.bits.fill(0)
  } else {
    const biased = reader.take(EXPONENT_BITS)
    const precision = planesOf(biased, block.rank, limits)
    decodePlanes(block.coefficients, precision, reader, start + limits.maxBits)
    transpose(block.coefficients)
    block.disorder()
    inverseLift(block.integers)
    toFloats(block.integers, biased, block.floats)
  }
  const end = start + limits.minBits
  if (reader.position < end) reader.skip(end - reader.position)
}

/** Planes down to the lowest exponent, and some for what the inverse transform makes of errors. */
function planesOf(biased: number, rank: number, { maxPrecision, minExponent }: Limits): number {
  const wanted = Math.max(0, biased - EXPONENT_BIAS - minExponent + 2 * (rank + 1))
  return Math.min(ALL_PLANES, maxPrecision, wanted)
}

function overflow(): MillraceError {
  return new MillraceError(
    'WIRE_OVERFLOW',
    'the tensor holds NaN or Inf, which ZFP carries in its reversible mode only',
  )
}
