const LARGEST = 0x7bff

/**
 * Finite numbers as IEEE 754 binary16, rounded to nearest; what is too large becomes the largest, and what is smaller
 * than 2^-14 becomes 0.
 */
export function toHalves(values: Float32Array): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(new Uint32Array(values.buffer, values.byteOffset, values.length), halfOf)
}

/** From the bits of a binary32. */
function halfOf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  // Rebiases the exponent (127 to 15) and rounds the 13 bits that are dropped; a carry moves into the exponent.
  const rounded = ((bits & 0x7fffffff) - ((127 - 15) << 23) + 0x1000) >> 13
  return sign | (rounded < 0x0400 ? 0 : Math.min(rounded, LARGEST))
}
