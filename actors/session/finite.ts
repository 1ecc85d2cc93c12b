import { MillraceError } from '../../core/errors.js'
import { type Tensor, type Tensors } from '../../core/tensor.js'
import { type Coding, type LossyWire } from '../../core/wire.js'

const HALF_MAGNITUDE = 0x7fff
const HALF_INFINITY = 0x7c00

/** What a tensor must have been for its coded form to be as it is. */
const REASONS: Readonly<Record<LossyWire, string>> = {
  f16: 'holds values above 65504, which a float16 cannot',
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
    const carried = wire === 'f16' ? isWithinHalves(coded) : isFinite(scale)
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
  for (let i = 0; i < bits.length; i++) if (((bits[i] ?? 0) & HALF_MAGNITUDE) === HALF_INFINITY) return false
  return true
}

/** The scale is NaN where the tensor had a NaN, and Inf or NaN where it had an Inf. */
function isFinite(scale: Tensor | undefined): boolean {
  return Number.isFinite(Number(scale?.data[0]))
}
