import { MillraceError } from '../../errors.js'
import { type BitReader } from './bit-reader.js'
import { type BitWriter } from './bit-writer.js'
import { ALL_PLANES, ANY_BITS, BLOCK_HEADER_BITS, type Limits, LOWEST_EXPONENT } from './limits.js'

/** The letters zfp, and the version of the coding that zfp 0.5.0 to 1.0 write. */
const MAGIC = [0x7a, 0x66, 0x70, 5] as const
const FLOAT32 = 2
/** Bits of each dim in a header, by rank. */
const DIM_BITS = [48, 24, 16, 12] as const

/** Numbers of the short form, from which on the next kind counts. */
const SHORT = { rate: 0, precision: 2048, reversible: 2176, accuracy: 2177, long: 4095 } as const
const LEAST_LONG_EXPONENT = -16_495

/** What a header says: dims as of a row-major tensor, the last one fastest. */
export interface StreamHeader {
  readonly dims: readonly number[]
  readonly limits: Limits
}

/**
 * Bits, each field from its least significant on: 8 each of the letters zfp and the version; 2 of the type, 2 of the rank
 * less one, 48 of the dims less one, x first; 12 or 64 of the limits.
 * @throws TENSOR_INVALID: a dim does not fit a header
 */
export function writeHeader(writer: BitWriter, { dims, limits }: StreamHeader): void {
  for (const byte of MAGIC) writer.put(byte, 8)
  writer.put(FLOAT32 | ((dims.length - 1) << 2), 4)
  const bits = dimBits(dims.length)
  for (const dim of dims.toReversed()) putWide(writer, checkedDim(dim, bits) - 1, bits)
  const short = shortForm(limits)
  writer.put(short ?? SHORT.long, 12)
  if (short !== undefined) return
  writer.put(limits.minBits - 1, 15)
  writer.put(limits.maxBits - 1, 15)
  writer.put(limits.maxPrecision - 1, 7)
  writer.put(limits.minExponent - LEAST_LONG_EXPONENT, 15)
}

function dimBits(rank: number): number {
  return DIM_BITS[rank - 1] ?? 0
}

function checkedDim(dim: number, bits: number): number {
  if (dim <= 2 ** bits) return dim
  throw new MillraceError(
    'TENSOR_INVALID',
    `a ZFP header has no room for a dim of ${dim}: fold the tensor, or leave the header out`,
  )
}

function putWide(writer: BitWriter, value: number, bits: number): void {
  writer.put(value % 2 ** 24, Math.min(bits, 24))
  writer.put(Math.floor(value / 2 ** 24), Math.max(0, bits - 24))
}

/** Each kind of limits that is common has a range of numbers; undefined: these have none. */
function shortForm({ minBits, maxBits, maxPrecision, minExponent }: Limits): number | undefined {
  const allPlanes = maxPrecision === ALL_PLANES
  if (minBits === maxBits && allPlanes && minExponent === LOWEST_EXPONENT) {
    return maxBits <= SHORT.precision ? SHORT.rate + maxBits - 1 : undefined
  }
  if (minBits > 1 || maxBits < ANY_BITS) return undefined
  if (minExponent === LOWEST_EXPONENT) return allPlanes ? undefined : SHORT.precision + maxPrecision - 1
  if (!allPlanes) return undefined
  if (minExponent < LOWEST_EXPONENT) return SHORT.reversible
  const accuracy = SHORT.accuracy + minExponent - LOWEST_EXPONENT
  return accuracy < SHORT.long ? accuracy : undefined
}

/** @throws ZFP_INVALID */
export function readHeader(reader: BitReader): StreamHeader {
  if (MAGIC.some(byte => reader.take(8) !== byte)) throw invalid('it has no ZFP header of version 5')
  if (reader.take(2) !== FLOAT32) throw invalid('it does not hold float32')
  const rank = reader.take(2) + 1
  const bits = dimBits(rank)
  const dims = Array.from({ length: rank }, () => takeWide(reader, bits) + 1).reverse()
  const limits = readLimits(reader)
  if (reader.left < 0) throw invalid('it ends in its header')
  return { dims, limits }
}

function takeWide(reader: BitReader, bits: number): number {
  const low = reader.take(Math.min(bits, 24))
  return bits > 24 ? low + 2 ** 24 * reader.take(bits - 24) : low
}

function readLimits(reader: BitReader): Limits {
  const form = reader.take(12)
  const limits = form === SHORT.long ? readLong(reader) : fromShort(form)
  const { minBits, maxBits, maxPrecision } = limits
  if (minBits <= maxBits && maxBits >= BLOCK_HEADER_BITS && maxPrecision <= ALL_PLANES) return limits
  throw invalid(`its blocks of ${minBits} to ${maxBits} bits and ${maxPrecision} planes cannot be`)
}

function readLong(reader: BitReader): Limits {
  return {
    minBits: reader.take(15) + 1,
    maxBits: reader.take(15) + 1,
    maxPrecision: reader.take(7) + 1,
    minExponent: reader.take(15) + LEAST_LONG_EXPONENT,
  }
}

function fromShort(form: number): Limits {
  const free = { minBits: 1, maxBits: ANY_BITS, maxPrecision: ALL_PLANES, minExponent: LOWEST_EXPONENT }
  if (form < SHORT.precision) return { ...free, minBits: form + 1, maxBits: form + 1 }
  if (form < SHORT.reversible) return { ...free, maxPrecision: form - SHORT.precision + 1 }
  if (form === SHORT.reversible) return { ...free, minExponent: LOWEST_EXPONENT - 1 }
  return { ...free, minExponent: form - SHORT.accuracy + LOWEST_EXPONENT }
}

function invalid(problem: string): MillraceError {
  return new MillraceError('ZFP_INVALID', `not a stream that can be read: ${problem}`)
}
