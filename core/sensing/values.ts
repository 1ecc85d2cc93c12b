import { MillraceError } from '../errors.js'
import { byteLength, type Tensor, type Tensors, type TensorSpec } from '../tensor.js'
import { dimsOfCount, withLeadingOnes } from './dims.js'
import { numericOf, smallOf, tensorOfBytes, tensorOfValues } from './elements.js'

/** Values of one frame, of whatever kind: a message that has more is none. Beyond it, elements go as bytes. */
export const MOST_VALUES = 2_000_000
const MOST_DIMS = 64
const TENSOR_KEYS = ['data', 'dims', 'dtype']
/** What the input of a model that has only one may be called. */
const ANY_INPUT = 'input'

/**
 * The tensors that a value of JSON or MessagePack stands for: `{ name: tensor }`, or of a model with one input that
 * tensor alone or under `input`. A tensor is nested lists, a flat list, or `{ data, dims?, dtype? }` with lists, bytes,
 * or base64 of bytes (little-endian). Without `dims`, nested lists give them (leading ones may be left out), and flat
 * data takes the model's.
 * @throws FRAME_MALFORMED, FRAME_INPUT_UNKNOWN, FRAME_DTYPE, FRAME_SHAPE
 */
export function tensorsOfValue(value: unknown, specs: readonly TensorSpec[]): Tensors {
  const fields = fieldsOf(value)
  const [only, ...others] = specs
  const single = others.length === 0 ? only : undefined
  if (fields === undefined || (single?.name !== 'data' && isTensor(fields))) {
    if (single === undefined) throw unknownInput(`the message has no names`, specs)
    return { [single.name]: tensorOf(value, single) }
  }
  const alias = single !== undefined && !fields.has(single.name) ? ANY_INPUT : undefined
  const known = new Set(specs.map(({ name }) => (name === single?.name ? (alias ?? name) : name)))
  const unknown = [...fields.keys()].find(key => !known.has(key))
  if (unknown !== undefined) throw unknownInput(`the message names '${unknown.slice(0, 64)}'`, specs)
  const tensors = specs.map(spec => [spec.name, tensorOf(fields.get(alias ?? spec.name), spec)] as const)
  return Object.fromEntries(tensors)
}

function isTensor(fields: ReadonlyMap<string, unknown>): boolean {
  return fields.has('data') && [...fields.keys()].every(key => TENSOR_KEYS.includes(key))
}

function tensorOf(value: unknown, spec: TensorSpec): Tensor {
  if (value === undefined)
    throw new MillraceError('FRAME_INPUT_UNKNOWN', `the message lacks the input '${spec.name}'`)
  const fields = fieldsOf(value) ?? new Map([['data', value]])
  const unknown = [...fields.keys()].find(key => !TENSOR_KEYS.includes(key))
  if (unknown !== undefined || !fields.has('data')) {
    throw malformed(spec, `needs data, and may have dims and dtype, not ${unknown?.slice(0, 64) ?? 'less'}`)
  }
  const dtype = fields.get('dtype')
  if (dtype !== undefined && dtype !== spec.dtype) {
    const has = typeof dtype === 'string' ? dtype.slice(0, 64) : 'no name'
    throw new MillraceError(
      'FRAME_DTYPE',
      `input '${spec.name}' is ${spec.dtype}, but the message says ${has}`,
    )
  }
  const dims = dimsOf(fields.get('dims'), spec)
  const bytes = bytesOf(fields.get('data'), spec)
  return bytes === undefined ? ofLists(fields.get('data'), dims, spec) : ofBytes(bytes, dims, spec)
}

function ofBytes(bytes: Uint8Array, dims: readonly number[] | undefined, spec: TensorSpec): Tensor {
  if (dims !== undefined) return tensorOfBytes(spec, dims, bytes)
  const count = bytes.byteLength / byteLength(numericOf(spec), [])
  if (!Number.isInteger(count))
    throw malformed(spec, `has ${bytes.byteLength} bytes, no number of ${spec.dtype}`)
  return tensorOfBytes(spec, dimsOfCount(spec, count), bytes)
}

function ofLists(data: unknown, dims: readonly number[] | undefined, spec: TensorSpec): Tensor {
  const { shape, items } = flatten(data, spec)
  if (dims !== undefined) return tensorOfValues(spec, dims, items)
  const inferred = shape.length === 1 ? dimsOfCount(spec, items.length) : withLeadingOnes(shape, spec)
  return tensorOfValues(spec, inferred, items)
}

/** Lists in lists are as deep as the model's input at most, and all of a level are equally long. */
function flatten(data: unknown, spec: TensorSpec): { shape: number[]; items: unknown[] } {
  const shape: number[] = []
  let items: unknown[] = [data]
  while (Array.isArray(items[0])) {
    if (shape.length === Math.max(1, spec.dims.length))
      throw malformed(spec, `nests lists more than ${shape.length} deep`)
    const { length } = items[0]
    if (!items.every(list => Array.isArray(list) && list.length === length))
      throw malformed(spec, `has lists of several lengths at level ${shape.length}`)
    shape.push(length)
    items = items.flat(1)
  }
  return { shape, items }
}

function bytesOf(data: unknown, spec: TensorSpec): Uint8Array | undefined {
  if (data instanceof Uint8Array) return data
  if (typeof data !== 'string' || spec.dtype === 'string') return undefined
  if (data.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(data))
    throw malformed(spec, 'has a text as data that is no base64')
  return Buffer.from(data, 'base64')
}

function dimsOf(value: unknown, spec: TensorSpec): readonly number[] | undefined {
  if (value === undefined) return undefined
  const isDims = (list: unknown): list is number[] =>
    Array.isArray(list) &&
    list.length <= MOST_DIMS &&
    list.every(dim => Number.isSafeInteger(dim) && dim >= 0)
  const dims: unknown = Array.isArray(value) ? value.map(smallOf) : value
  if (!isDims(dims)) throw malformed(spec, 'has dims that are no list of non-negative integers')
  return dims
}

/** The entries of an object or map whose keys are texts; undefined for anything else. */
function fieldsOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    return undefined
  const entries = value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value)
  return new Map(entries.map(([key, field]) => [String(key), field]))
}

function unknownInput(problem: string, specs: readonly TensorSpec[]): MillraceError {
  const names = specs.map(({ name }) => name).join(', ')
  return new MillraceError('FRAME_INPUT_UNKNOWN', `${problem}; the model's inputs are ${names}`)
}

function malformed({ name }: TensorSpec, problem: string): MillraceError {
  return new MillraceError('FRAME_MALFORMED', `'${name}' ${problem}`)
}
