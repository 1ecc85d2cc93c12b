import { type NumericDType, type Tensor, type Tensors } from './tensor.js'
import { type Wire } from './wire.js'

const FLOATS: ReadonlySet<string> = new Set<NumericDType>(['float32', 'float64', 'float16'])
/**
 * The largest relative error of a pipeline, by its wire (promise 9). Those of lossy wires tell answers that are worth
 * something from others: networks of 8 parts show up to 0.002 with f16, 0.05 with u8c and 0.06 with u8, which u8c is where
 * tensors have no channels.
 */
export const TOLERANCES: Readonly<Record<Wire, number>> = { f32: 1e-4, f16: 0.02, u8c: 0.3, u8: 0.3 }

/** Below this largest magnitude of the reference, errors are absolute. */
const SMALLEST_SCALE = 1e-6

/**
 * How far `actual` is from `expected`, by promise 9: max |a - b| / max |b| over an output tensor, the worst output
 * counts; absolute where max |b| < 1e-6. Integers, booleans and strings must be equal; NaN and Inf must stand in the
 * same places.
 * @returns 0 or more; Infinity where names, types, dims or anything that must be equal differs
 */
export function relativeError(actual: Tensors, expected: Tensors): number {
  const names = Object.keys(expected)
  if (names.length !== Object.keys(actual).length) return Infinity
  return names.reduce((worst, name) => {
    const [a, b] = [actual[name], expected[name]]
    return a === undefined || b === undefined ? Infinity : Math.max(worst, tensorError(a, b))
  }, 0)
}

function tensorError(actual: Tensor, expected: Tensor): number {
  if (actual.dtype !== expected.dtype || !sameDims(actual.dims, expected.dims)) return Infinity
  if (!FLOATS.has(expected.dtype)) return equalElements(actual, expected) ? 0 : Infinity
  return floatError(floatsOf(actual), floatsOf(expected))
}

function floatError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let scale = 0
  let distance = 0
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i] ?? NaN
    const b = expected[i] ?? NaN
    if (Object.is(a, b) || a === b) {
      if (Number.isFinite(b)) scale = Math.max(scale, Math.abs(b))
      continue
    }
    if (!Number.isFinite(a) || !Number.isFinite(b)) return Infinity
    scale = Math.max(scale, Math.abs(b))
    distance = Math.max(distance, Math.abs(a - b))
  }
  return scale < SMALLEST_SCALE ? distance : distance / scale
}

/**
 * The same for a pipeline of that wire. What a lossy one makes a little different may turn an integer into another one, and
 * a list of what was found longer: where such a pipeline gives floats, only these are compared.
 */
export function pipelineError(actual: Tensors, expected: Tensors, wire: Wire = 'f32'): number {
  const floats = Object.keys(expected).filter(name => FLOATS.has(expected[name]?.dtype ?? ''))
  if (wire === 'f32' || floats.length === 0) return relativeError(actual, expected)
  const some = (tensors: Tensors) =>
    Object.fromEntries(Object.entries(tensors).filter(([name]) => floats.includes(name)))
  return relativeError(some(actual), some(expected))
}

/** Index of the largest element of a tensor of numbers. */
export function argMax({ data }: Tensor): number {
  let best = 0
  for (let i = 1; i < data.length; i++) if (Number(data[i]) > Number(data[best])) best = i
  return best
}

function floatsOf({ dtype, data }: Tensor): ArrayLike<number> {
  if (dtype === 'string') return []
  return dtype === 'float16' ? Float32Array.from(data as Uint16Array, halfToFloat) : (data as Float32Array)
}

/** IEEE 754 binary16 to a number. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * 2 ** -14 * (fraction / 1024)
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024)
}

function equalElements(actual: Tensor, expected: Tensor): boolean {
  for (let i = 0; i < expected.data.length; i++) if (actual.data[i] !== expected.data[i]) return false
  return true
}

function sameDims(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i])
}
