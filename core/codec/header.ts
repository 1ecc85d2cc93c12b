import { Packr } from 'msgpackr'
import { type ErrorInfo, isErrorCode, MillraceError } from '../errors.js'
import { type FrameHeader, type StageTiming } from '../frame.js'
import { isName } from '../topics.js'
import { type DType, isDType } from '../tensor.js'
import { checkPlain } from './plain.js'

/** How the bytes of a tensor stand in the message: as they are, or as an LZ4 block after their length as a u32. */
export type Encoding = 'raw' | 'lz4'

/** Where a tensor is, and what it is. `offset` counts from the start of the payload; lengths are bytes. */
export interface TensorEntry {
  readonly name: string
  readonly dtype: DType
  readonly dims: readonly number[]
  readonly encoding: Encoding
  readonly offset: number
  readonly length: number
}

export interface WireHeader {
  readonly header: FrameHeader
  readonly tensors: readonly TensorEntry[]
}

/** More than any operator takes; ONNX Runtime itself has no limit. */
export const MOST_DIMS = 64
const FIELDS = 10

/** An array instead of a map: keys would take more bytes than values, and cannot clash with those of a prototype. */
type Fields = readonly [
  dispatcher: string,
  stream: string,
  sequence: number,
  epoch: number,
  stage: number,
  admittedAt: number,
  timings: readonly (readonly [
    stage: number,
    queueMs: number,
    codecMs: number,
    runMs: number,
    bytesIn: number,
  ])[],
  error: null | readonly [code: string, message: string],
  tensors: readonly (readonly [
    name: string,
    dtype: DType,
    dims: readonly number[],
    encoding: Encoding,
    offset: number,
    length: number,
  ])[],
  /** Messages that do not have it count as they are numbered. */
  turn?: number,
]

const packr = new Packr({ useRecords: false, mapsAsObjects: true, moreTypes: false, int64AsType: 'number' })

export function packHeader({ header, tensors }: WireHeader): Uint8Array {
  const { dispatcher, stream, sequence, epoch, stage, turn, admittedAt, timings, error } = header
  const fields: Fields = [
    dispatcher,
    stream,
    sequence,
    epoch,
    stage,
    admittedAt,
    timings.map(({ stage, queueMs, codecMs, runMs, bytesIn }) => [stage, queueMs, codecMs, runMs, bytesIn]),
    error === undefined ? null : [error.code, error.message],
    tensors.map(({ name, dtype, dims, encoding, offset, length }) => [
      name,
      dtype,
      [...dims],
      encoding,
      offset,
      length,
    ]),
    turn,
  ]
  return packr.pack(fields)
}

/**
 * Every frame is unpacked twice at each stage, mostly by code that V8 has not compiled yet: a schema takes several times
 * as long there.
 * @throws ENVELOPE_INVALID
 */
export function unpackHeader(bytes: Uint8Array): WireHeader {
  const fields = listOf(unpack(bytes), 'fields')
  if (fields.length !== FIELDS && fields.length !== FIELDS - 1) throw malformed('number of fields')
  const [dispatcher, stream, sequence, epoch, stage, admittedAt, timings, error, tensors] = fields
  const [turn = sequence] = fields.slice(FIELDS - 1)
  return {
    header: {
      dispatcher: nameOf(dispatcher, 'dispatcher'),
      stream: nameOf(stream, 'stream'),
      sequence: countOf(sequence, 'sequence'),
      epoch: countOf(epoch, 'epoch'),
      stage: countOf(stage, 'stage'),
      turn: countOf(turn, 'turn'),
      admittedAt: numberOf(admittedAt, 'time of admission'),
      timings: listOf(timings, 'timings').map(timingOf),
      ...(error === null ? {} : { error: errorOf(error) }),
    },
    tensors: listOf(tensors, 'tensors').map(entryOf),
  }
}

function timingOf(value: unknown): StageTiming {
  const [stage, queueMs, codecMs, runMs, bytesIn] = listOf(value, 'timings', 5)
  return {
    stage: countOf(stage, 'timings'),
    queueMs: numberOf(queueMs, 'timings'),
    codecMs: numberOf(codecMs, 'timings'),
    runMs: numberOf(runMs, 'timings'),
    bytesIn: countOf(bytesIn, 'timings'),
  }
}

function errorOf(value: unknown): ErrorInfo {
  const [code = '', message = ''] = listOf(value, 'error', 2).map(text => textOf(text, 'error'))
  return { code: isErrorCode(code) ? code : 'INTERNAL', message }
}

function entryOf(value: unknown): TensorEntry {
  const [name, dtype, dims, encoding, offset, length] = listOf(value, 'tensors', 6)
  const [label, type, shape] = [textOf(name, 'tensors'), textOf(dtype, 'tensors'), listOf(dims, 'tensors')]
  const isKnown = isDType(type) && (encoding === 'raw' || encoding === 'lz4')
  if (!isKnown || label === '' || shape.length > MOST_DIMS) throw malformed('tensors')
  return {
    name: label,
    dtype: type,
    dims: shape.map(dim => countOf(dim, 'tensors')),
    encoding,
    offset: countOf(offset, 'tensors'),
    length: countOf(length, 'tensors'),
  }
}

function listOf(value: unknown, what: string, length?: number): readonly unknown[] {
  if (Array.isArray(value) && value.length === (length ?? value.length)) return value as readonly unknown[]
  throw malformed(what)
}

function nameOf(value: unknown, what: string): string {
  const text = textOf(value, what)
  if (isName(text)) return text
  throw malformed(what)
}

function textOf(value: unknown, what: string): string {
  if (typeof value === 'string') return value
  throw malformed(what)
}

function countOf(value: unknown, what: string): number {
  const number = numberOf(value, what)
  if (Number.isSafeInteger(number) && number >= 0) return number
  throw malformed(what)
}

function numberOf(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw malformed(what)
}

function malformed(what: string): MillraceError {
  return new MillraceError('ENVELOPE_INVALID', `the header is malformed: its ${what}`)
}

function unpack(bytes: Uint8Array): unknown {
  checkPlain(bytes)
  try {
    return packr.unpack(bytes) as unknown
  } catch (error) {
    throw MillraceError.from(error, 'ENVELOPE_INVALID', 'the header is not MessagePack: ')
  }
}
