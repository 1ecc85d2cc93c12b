import { MillraceError } from '../errors.js'
import {
  byteLength,
  DTYPES,
  elementCount,
  type NumericData,
  type NumericDType,
  type Tensor,
  type TensorSpec,
} from '../tensor.js'
import { numberToHalf } from './half.js'

/** Numbers that JSON cannot write. */
const BEYOND_JSON: Readonly<Record<string, number>> = { NaN: NaN, Infinity, '-Infinity': -Infinity }

const RANGES = {
  uint8: [0, 2 ** 8 - 1],
  int8: [-(2 ** 7), 2 ** 7 - 1],
  uint16: [0, 2 ** 16 - 1],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  uint32: [0, 2 ** 32 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
} as const

/**
 * A tensor of values that stand for elements, row-major: numbers; `"NaN"`, `"Infinity"` and `"-Infinity"`; for 64-bit
 * integers also decimal texts; for bool also true and false; texts for string.
 * @throws FRAME_MALFORMED: a value is none of the input's type, or does not fit it
 */
export function tensorOfValues(
  spec: TensorSpec,
  dims: readonly number[],
  values: readonly unknown[],
): Tensor {
  checkCount(spec, dims, values.length)
  const { dtype, name } = spec
  const bad = (value: unknown, i: number) =>
    new MillraceError('FRAME_MALFORMED', `element ${i} of '${name}' is ${shown(value)}, which is no ${dtype}`)
  const read = <T>(one: (value: unknown) => T | undefined) =>
    values.map((value, i) => {
      const element = one(value)
      if (element === undefined) throw bad(value, i)
      return element
    })
  switch (dtype) {
    case 'string':
      return { dtype, dims, data: read(value => (typeof value === 'string' ? value : undefined)) }
    case 'float32':
    case 'float64':
      return { dtype, dims, data: DTYPES[dtype].array.from(read(floatOf)) }
    case 'float16':
      return { dtype, dims, data: Uint16Array.from(read(floatOf), numberToHalf) }
    case 'int64':
      return {
        dtype,
        dims,
        data: BigInt64Array.from(read(value => bigOf(value, big => BigInt.asIntN(64, big)))),
      }
    case 'uint64':
      return {
        dtype,
        dims,
        data: BigUint64Array.from(read(value => bigOf(value, big => BigInt.asUintN(64, big)))),
      }
    case 'bool':
      return { dtype, dims, data: Uint8Array.from(read(bitOf)) }
    default:
      return { dtype, dims, data: DTYPES[dtype].array.from(read(value => integerOf(value, RANGES[dtype]))) }
  }
}

/**
 * A tensor of little-endian bytes, copied.
 * @throws FRAME_MALFORMED: there are more or fewer than dims make, or texts cannot come as bytes
 */
export function tensorOfBytes(spec: TensorSpec, dims: readonly number[], bytes: Uint8Array): Tensor {
  const dtype = numericOf(spec)
  if (bytes.byteLength !== byteLength(dtype, dims)) {
    throw new MillraceError(
      'FRAME_MALFORMED',
      `'${spec.name}' has ${bytes.byteLength} bytes, but ${dtype} [${dims.join(', ')}] makes ${byteLength(dtype, dims)}`,
    )
  }
  const { buffer } = new Uint8Array(bytes)
  const data: NumericData = new DTYPES[dtype].array(buffer)
  if (dtype === 'bool') {
    const wrong = new Uint8Array(buffer).findIndex(value => value > 1)
    if (wrong >= 0)
      throw new MillraceError('FRAME_MALFORMED', `element ${wrong} of '${spec.name}' is no bool: 0 or 1`)
  }
  return { dtype, dims, data }
}

/** @throws FRAME_MALFORMED: of texts */
export function numericOf({ dtype, name }: TensorSpec): NumericDType {
  if (dtype === 'string')
    throw new MillraceError(
      'FRAME_MALFORMED',
      `'${name}' takes texts: send them as a list, in json or msgpack`,
    )
  return dtype
}

function checkCount({ name }: TensorSpec, dims: readonly number[], count: number): void {
  if (elementCount(dims) === count) return
  throw new MillraceError(
    'FRAME_MALFORMED',
    `'${name}' has ${count} elements, but dims [${dims.join(', ')}] make ${elementCount(dims)}`,
  )
}

function floatOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  return typeof value === 'string' && Object.hasOwn(BEYOND_JSON, value) ? BEYOND_JSON[value] : undefined
}

function integerOf(value: unknown, [least, most]: readonly [number, number]): number | undefined {
  const number = smallOf(value)
  return typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most
    ? number
    : undefined
}

/** A number that is no safe integer may have been another one before it was read. */
function bigOf(value: unknown, wrap: (value: bigint) => bigint): bigint | undefined {
  const big = wholeOf(value)
  return big !== undefined && wrap(big) === big ? big : undefined
}

function wholeOf(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined
  return typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? BigInt(value) : undefined
}

function bitOf(value: unknown): number | undefined {
  return typeof value === 'boolean' ? Number(value) : integerOf(value, [0, 1])
}

/** MessagePack may write any integer in 64 bits. */
export function smallOf(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 40)}'`
  return typeof value === 'object' && value !== null ? 'a list or an object' : String(value)
}
