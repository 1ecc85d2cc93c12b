import { type BitReader } from './bit-reader.js'
import { type BitWriter } from './bit-writer.js'
import { type Block } from './block.js'
import { biasedExponent, EXPONENT_BIAS, EXPONENT_BITS, isExact, toFloats, toIntegers } from './exponent.js'
import { type Limits } from './limits.js'
import { decodePlanes } from './planes-decoder.js'
import { encodePlanes } from './planes-encoder.js'
import { forwardDifferences, inverseDifferences } from './transform.js'
import { transpose } from './transpose.js'

/** What a block begins with: zeros; integers that share an exponent, exact; the bits of the values. */
const ZEROS = { code: 0, bits: 1 } as const
const INTEGERS = { code: 1, bits: 2 } as const
const AS_BITS = { code: 3, bits: 2 } as const
/** How many bit planes follow, less one. */
const PRECISION_BITS = 5
/** zfp's factor to integers is a float32, which is Inf below this exponent. */
const LEAST_EXPONENT = -97
const INFINITE = 0x7f80_0000
const MAGNITUDE = 0x7fff_ffff

export function encodeReversible(block: Block, limits: Limits, writer: BitWriter): void {
  const start = writer.position
  const { bits, floats, integers, coefficients } = block
  const biased = sharedExponent(block)
  if (biased === 0) {
    writer.put(ZEROS.code, ZEROS.bits)
    return
  }
  if (biased !== undefined) {
    writer.put(INTEGERS.code | (biased << INTEGERS.bits), INTEGERS.bits + EXPONENT_BITS)
    toIntegers(floats, biased, integers)
  } else {
    writer.put(AS_BITS.code, AS_BITS.bits)
    flipNegatives(bits, integers)
  }
  forwardDifferences(integers)
  const any = block.order()
  // Planes of zeros below the lowest one.
  const empty = any === 0 ? 31 : 31 - Math.clz32(any & -any)
  const precision = 32 - empty
  writer.put(precision - 1, PRECISION_BITS)
  transpose(coefficients)
  encodePlanes(coefficients, precision, writer, start + limits.maxBits)
}

/** The biased exponent, where the block comes back from integers as it is; 0 for one of positive zeros. */
function sharedExponent(block: Block): number | undefined {
  const largest = block.largestBits()
  if (largest >= INFINITE) return undefined
  const biased = biasedExponent(largest)
  const usable = biased === 0 || biased >= LEAST_EXPONENT + EXPONENT_BIAS
  return usable && isExact(block.bits, block.floats, biased) ? biased : undefined
}

export function decodeReversible(block: Block, limits: Limits, reader: BitReader): void {
  const start = reader.position
  if (reader.take(ZEROS.bits) === ZEROS.code) {
    block.bits.fill(0)
  } else if (reader.take(1) === 0) {
    const biased = reader.take(EXPONENT_BITS)
    decodeIntegers(block, reader, start + limits.maxBits)
    toFloats(block.integers, biased, block.floats)
  } else {
    decodeIntegers(block, reader, start + limits.maxBits)
    flipNegatives(block.integers, block.bits)
  }
  const end = start + limits.minBits
  if (reader.position < end) reader.skip(end - reader.position)
}

function decodeIntegers(block: Block, reader: BitReader, end: number): void {
  const precision = reader.take(PRECISION_BITS) + 1
  decodePlanes(block.coefficients, precision, reader, end)
  transpose(block.coefficients)
  block.disorder()
  inverseDifferences(block.integers)
}

/** Sign and magnitude to two's complement, so that neighbours are near to each other, and back. */
function flipNegatives(from: Int32Array, to: Int32Array): void {
  for (let i = 0; i < to.length; i++) {
    const bits = from[i] ?? 0
    to[i] = bits ^ ((bits >> 31) & MAGNITUDE)
  }
}
