import { MillraceError } from '../../errors.js'

/** What a stream holds to; a value of zfp's documentation for each field. */
export interface Limits {
  /** Bits of a block at least, which is filled up with zeros. */
  readonly minBits: number
  /** Bits of a block at most. */
  readonly maxBits: number
  /** Bit planes of a block at most. */
  readonly maxPrecision: number
  /** The exponent of the lowest bit plane; below LOWEST_EXPONENT the stream is lossless. */
  readonly minExponent: number
}

/**
 * How a tensor is coded.
 * - `accuracy`: values are off by at most `tolerance`, more than 0, in the unit of the values.
 * - `precision`: each block keeps `planes` bit planes, 1 to 64: about so many bits of its largest value.
 * - `rate`: each value takes `bits` bits, more than 0 and at most 64, in the mean of a block; a block takes 9 or more.
 * - `reversible`: every bit is kept.
 */
export type ZfpMode =
  | { readonly kind: 'accuracy'; readonly tolerance: number }
  | { readonly kind: 'precision'; readonly planes: number }
  | { readonly kind: 'rate'; readonly bits: number }
  | { readonly kind: 'reversible' }

export const LOWEST_EXPONENT = -1074
/** All bit planes of any type. */
export const ALL_PLANES = 64
/** What stands for no limit: more than a block of four dimensions of any type can take. */
export const ANY_BITS = 16_658
/** A bit that says whether there is more, and the exponent. */
export const BLOCK_HEADER_BITS = 9
const MOST_RATE = 64

const FREE: Limits = { minBits: 1, maxBits: ANY_BITS, maxPrecision: ALL_PLANES, minExponent: LOWEST_EXPONENT }

/**
 * @param rank  dimensions of the tensor, 1 to 4
 * @throws OPTION_INVALID
 */
export function limitsOf(mode: ZfpMode, rank: number): Limits {
  switch (mode.kind) {
    case 'reversible':
      return { ...FREE, minExponent: LOWEST_EXPONENT - 1 }
    case 'accuracy':
      check(
        mode.tolerance > 0 && mode.tolerance < Infinity,
        'a tolerance is a number above 0, or use reversible',
      )
      return { ...FREE, minExponent: floorLog2(mode.tolerance) }
    case 'precision':
      check(
        Number.isInteger(mode.planes) && mode.planes >= 1 && mode.planes <= ALL_PLANES,
        'planes are 1 to 64',
      )
      return { ...FREE, maxPrecision: mode.planes }
    case 'rate': {
      check(mode.bits > 0 && mode.bits <= MOST_RATE, `a rate is above 0 and at most ${MOST_RATE} bits`)
      const bits = Math.max(BLOCK_HEADER_BITS, Math.floor(4 ** rank * mode.bits + 0.5))
      return { ...FREE, minBits: bits, maxBits: bits }
    }
  }
}

function check(valid: boolean, rule: string): void {
  if (!valid) throw new MillraceError('OPTION_INVALID', `ZFP: ${rule}`)
}

/** Exact, where Math.log2 may round up to the next integer. */
function floorLog2(value: number): number {
  const high = new DataView(new Float64Array([value]).buffer).getUint32(4, true)
  const exponent = (high >>> 20) - 1023
  return exponent > -1023 ? exponent : floorLog2(value * 2 ** 52) - 52
}

export function isReversible({ minExponent }: Limits): boolean {
  return minExponent < LOWEST_EXPONENT
}
