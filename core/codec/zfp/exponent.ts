/** Bits of a biased exponent in the stream. */
export const EXPONENT_BITS = 8
/** What is added to an exponent in the stream. */
export const EXPONENT_BIAS = 127
/** Integers of a block are its values times 2^(30 - exponent). */
const INTEGER_BITS = 30

/** By biased exponent. For 0, that of a block of zeros, nothing comes back. */
const TO_INTEGERS = Float64Array.from({ length: 256 }, (_, e) => 2 ** (INTEGER_BITS + EXPONENT_BIAS - e))
const TO_FLOATS = Float64Array.from({ length: 256 }, (_, e) => (e === 0 ? 0 : 1 / (TO_INTEGERS[e] ?? 1)))

/**
 * The exponent that a block shares, biased: all of its values are below 2^exponent.
 * @param largest  the bits of the largest magnitude; must be finite
 */
export function biasedExponent(largest: number): number {
  return largest === 0 ? 0 : (largest >>> 23) + 1
}

/** The values as integers of 30 bits and a sign, cut off towards zero. */
export function toIntegers(floats: Float32Array, biased: number, integers: Int32Array): void {
  const scale = TO_INTEGERS[biased] ?? 0
  for (let i = 0; i < integers.length; i++) integers[i] = (floats[i] ?? 0) * scale
}

export function toFloats(integers: Int32Array, biased: number, floats: Float32Array): void {
  const scale = TO_FLOATS[biased] ?? 0
  // Rounded twice, as zfp does, where the result is subnormal.
  for (let i = 0; i < floats.length; i++) floats[i] = Math.fround(integers[i] ?? 0) * scale
}

/** Whether `toIntegers` loses nothing, not the sign of a zero either. */
export function isExact(bits: Int32Array, floats: Float32Array, biased: number): boolean {
  const scale = TO_INTEGERS[biased] ?? 0
  for (let i = 0; i < bits.length; i++) {
    const scaled = (floats[i] ?? 0) * scale
    if ((scaled | 0) !== scaled || bits[i] === NEGATIVE_ZERO) return false
  }
  return true
}

const NEGATIVE_ZERO = 0x8000_0000 | 0
