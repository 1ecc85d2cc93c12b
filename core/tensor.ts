import { MillraceError } from './errors.js'

/** The tensor types that onnxruntime-node carries. `float16` is a Uint16Array of IEEE 754 binary16 bits. */
export const DTYPES = {
  float32: { array: Float32Array, bits: 32 },
  float64: { array: Float64Array, bits: 64 },
  float16: { array: Uint16Array, bits: 16 },
  uint8: { array: Uint8Array, bits: 8 },
  int8: { array: Int8Array, bits: 8 },
  uint16: { array: Uint16Array, bits: 16 },
  int16: { array: Int16Array, bits: 16 },
  int32: { array: Int32Array, bits: 32 },
  uint32: { array: Uint32Array, bits: 32 },
  int64: { array: BigInt64Array, bits: 64 },
  uint64: { array: BigUint64Array, bits: 64 },
  bool: { array: Uint8Array, bits: 8 },
} as const

export type NumericDType = keyof typeof DTYPES
export type DType = NumericDType | 'string'
export type NumericData = InstanceType<(typeof DTYPES)[NumericDType]['array']>

/** A dense, row-major tensor; `data` has as many elements as the product of `dims` (1 for a scalar, `[]`). */
export type Tensor =
  | { readonly dtype: NumericDType; readonly dims: readonly number[]; readonly data: NumericData }
  | { readonly dtype: 'string'; readonly dims: readonly number[]; readonly data: readonly string[] }

export type Tensors = Readonly<Record<string, Tensor>>

/** A tensor's type before its data is known; a dim that is free at run time is a string (its symbol) or null. */
export interface TensorSpec {
  readonly name: string
  readonly dtype: DType
  readonly dims: readonly (number | string | null)[]
}

export function isNumericDType(dtype: string): dtype is NumericDType {
  return Object.hasOwn(DTYPES, dtype)
}

export function isDType(dtype: string): dtype is DType {
  return dtype === 'string' || isNumericDType(dtype)
}

/** The product of `dims`: exact up to 2^53, Infinity where a double cannot hold it. */
export function elementCount(dims: readonly number[]): number {
  // Infinity times 0 is NaN.
  return dims.includes(0) ? 0 : dims.reduce((product, dim) => product * dim, 1)
}

/** Bytes that `dims` elements of a numeric type take. */
export function byteLength(dtype: NumericDType, dims: readonly number[]): number {
  return (elementCount(dims) * DTYPES[dtype].bits) / 8
}

/** Bytes of the elements of all `tensors`; for strings, of their UTF-16 units, which is near to what they take. */
export function tensorsBytes(tensors: Tensors): number {
  return Object.values(tensors).reduce((sum, value) => sum + tensorBytes(value), 0)
}

function tensorBytes(value: Tensor): number {
  return value.dtype === 'string'
    ? value.data.reduce((sum, text) => sum + 2 * text.length, 0)
    : byteLength(value.dtype, value.dims)
}

/**
 * A tensor, checked.
 * @throws TENSOR_INVALID: dims are not non-negative integers, or data does not fit dtype and dims
 */
export function tensor(dtype: DType, dims: readonly number[], data: NumericData | readonly string[]): Tensor {
  if (!dims.every(dim => Number.isSafeInteger(dim) && dim >= 0)) {
    throw new MillraceError('TENSOR_INVALID', `dims [${dims.join(', ')}] are not non-negative integers`)
  }
  const expected = elementCount(dims)
  if (data.length !== expected) {
    throw new MillraceError(
      'TENSOR_INVALID',
      `dims [${dims.join(', ')}] make ${expected} elements, but the data has ${data.length}`,
    )
  }
  if (dtype === 'string') {
    if (!isStringData(data))
      throw new MillraceError('TENSOR_INVALID', 'data of a string tensor must be strings')
    return { dtype, dims, data }
  }
  if (!isNumericDType(dtype)) throw new MillraceError('TENSOR_INVALID', `unknown dtype ${String(dtype)}`)
  if (!(data instanceof DTYPES[dtype].array)) {
    throw new MillraceError(
      'TENSOR_INVALID',
      `data of a ${dtype} tensor must be a ${DTYPES[dtype].array.name}`,
    )
  }
  return { dtype, dims, data }
}

function isStringData(data: NumericData | readonly string[]): data is readonly string[] {
  return Array.isArray(data) && data.every(value => typeof value === 'string')
}
