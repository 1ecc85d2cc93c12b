const BITS = new DataView(new ArrayBuffer(4))

/** A number as the nearest IEEE 754 binary16, halves to even; beyond 65,504 it becomes infinite. */
export function numberToHalf(value: number): number {
  BITS.setFloat32(0, value)
  const bits = BITS.getUint32(0)
  const sign = (bits >>> 16) & 0x8000
  const exponent = ((bits >>> 23) & 0xff) - 127 + 15
  const fraction = bits & 0x7fffff
  if (exponent >= 31) return sign | (Number.isNaN(value) ? 0x7e00 : 0x7c00)
  if (exponent <= 0) return sign | subnormal(fraction | 0x800000, 14 - exponent)
  // A carry out of the fraction moves into the exponent, and out of the largest exponent to infinity.
  return sign | ((exponent << 10) + rounded(fraction, 13))
}

function subnormal(fraction: number, shift: number): number {
  return shift > 24 ? 0 : rounded(fraction, shift)
}

function rounded(value: number, shift: number): number {
  const whole = value >>> shift
  const rest = value & ((1 << shift) - 1)
  const half = 1 << (shift - 1)
  return rest > half || (rest === half && (whole & 1) === 1) ? whole + 1 : whole
}
