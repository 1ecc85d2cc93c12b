import { Packr } from 'msgpackr'
import { z } from 'zod'
import { isErrorCode, MillraceError } from '../errors.js'
import { type FrameHeader } from '../frame.js'
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

const count = z.int().min(0)
const name = z.string().refine(isName)

/** Arrays instead of maps: keys would take more bytes than values, and cannot clash with those of a prototype. */
const wireHeader = z.tuple([
  name, // dispatcher
  name, // stream
  count, // sequence
  count, // epoch
  count, // stage
  z.number(), // admittedAt
  z.array(z.tuple([count, z.number(), z.number(), z.number(), count])), // timings
  z.union([z.null(), z.tuple([z.string(), z.string()])]), // error
  z.array(
    z.tuple([
      z.string().min(1),
      z.custom<DType>(value => typeof value === 'string' && isDType(value)),
      z.array(count).max(MOST_DIMS),
      z.enum(['raw', 'lz4']),
      count,
      count,
    ]),
  ),
  count.optional(), // turn
])

const packr = new Packr({ useRecords: false, mapsAsObjects: true, moreTypes: false, int64AsType: 'number' })

export function packHeader({ header, tensors }: WireHeader): Uint8Array {
  const { dispatcher, stream, sequence, epoch, stage, turn, admittedAt, timings, error } = header
  const wire: z.input<typeof wireHeader> = [
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
  return packr.pack(wire)
}

/** @throws ENVELOPE_INVALID */
export function unpackHeader(bytes: Uint8Array): WireHeader {
  const result = wireHeader.safeParse(unpack(bytes))
  if (!result.success) {
    throw new MillraceError(
      'ENVELOPE_INVALID',
      `the header is malformed at ${result.error.issues[0]?.path.join('.')}`,
    )
  }
  const [dispatcher, stream, sequence, epoch, stage, admittedAt, timings, error, tensors, turn = sequence] =
    result.data
  return {
    header: {
      dispatcher,
      stream,
      sequence,
      epoch,
      stage,
      turn,
      admittedAt,
      timings: timings.map(([stage, queueMs, codecMs, runMs, bytesIn]) => ({
        stage,
        queueMs,
        codecMs,
        runMs,
        bytesIn,
      })),
      ...(error === null
        ? {}
        : { error: { code: isErrorCode(error[0]) ? error[0] : 'INTERNAL', message: error[1] } }),
    },
    tensors: tensors.map(([name, dtype, dims, encoding, offset, length]) => ({
      name,
      dtype,
      dims,
      encoding,
      offset,
      length,
    })),
  }
}

function unpack(bytes: Uint8Array): unknown {
  checkPlain(bytes)
  try {
    return packr.unpack(bytes) as unknown
  } catch (error) {
    throw MillraceError.from(error, 'ENVELOPE_INVALID', 'the header is not MessagePack: ')
  }
}
