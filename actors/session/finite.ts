import { MillraceError } from '../../core/errors.js'
import { type Tensor, type Tensors } from '../../core/tensor.js'
import { type Coding, type LossyWire } from '../../core/wire.js'

const HALF_MAGNITUDE = 0x7fff
const HALF_INFINITY = 0x7c00
/** Added to an exponent of ones only, and to no other, it reaches the sign. */
const HALF_STEP = 0x400
const BOTH_EXPONENTS = 0x7c00_7c00
const BOTH_STEPS = 0x0400_0400
const BOTH_SIGNS = 0x8000_8000

/** What a tensor must have been for its coded form to be as it is. */
const REASONS: Readonly<Record<LossyWire, string>> = {
  f16: 'holds values above 65504, which a float16 cannot',
  u8c: 'holds NaN or Inf, which quantised values cannot',
  u8: 'holds NaN or Inf, which quantised values cannot',
}

/**
 * Checks what is about to leave in another form: quantising makes some value of NaN and of Inf, and a float16 makes Inf of
 * what is too large.
 * @throws WIRE_OVERFLOW
 */
export function checkCoded(encodes: readonly Coding[], tensors: Tensors): void {
  for (const { value, wire, tensors: names } of encodes) {
    const [coded, scale] = names.map(name => tensors[name])
    const carried = wire === 'f16' ? isWithinHalves(coded) : areFinite(scale)
    if (!carried) {
      throw new MillraceError(
        'WIRE_OVERFLOW',
        `'${value}' ${REASONS[wire]}: it cannot leave for the next partition as ${wire}`,
      )
    }
  }
}

function isWithinHalves(coded: Tensor | undefined): boolean {
  if (coded === undefined || coded.dtype !== 'float16' || !(coded.data instanceof Uint16Array)) return false
  const bits = coded.data
  // NaN has the same exponent, and may be there: only where there is such a one is it worth a closer look.
  return !hasLargestExponent(bits) || !bits.some(half => (half & HALF_MAGNITUDE) === HALF_INFINITY)
}

/** Whether one has an exponent of ones only. Two at a time and without a branch, which takes less than half of the time. */
function hasLargestExponent(bits: Uint16Array): boolean {
  if (bits.byteOffset % 4 !== 0) return true
  const pairs = new Int32Array(bits.buffer, bits.byteOffset, bits.length >> 1)
  let seen = bits.length % 2 === 1 ? ((bits.at(-1) ?? 0) & HALF_INFINITY) + HALF_STEP : 0
  for (let i = 0; i < pairs.length; i++) seen |= (((pairs[i] as number) & BOTH_EXPONENTS) + BOTH_STEPS) | 0
  return (seen & BOTH_SIGNS) !== 0
}

/** All scales are NaN where the tensor had a NaN, and one is Inf or NaN where it had an Inf. */
function areFinite(scales: Tensor | undefined): boolean {
  return scales?.data instanceof Float32Array && scales.data.every(Number.isFinite)
}
