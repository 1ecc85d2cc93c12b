import { Packr, Unpackr } from 'msgpackr'
import { checkPlain, type PlainRules } from '../codec/plain.js'
import { MillraceError } from '../errors.js'
import { type Tensors, type TensorSpec } from '../tensor.js'
import { MOST_VALUES, tensorsOfValue } from './values.js'

const RULES: PlainRules = {
  mostNesting: 32,
  mostValues: MOST_VALUES,
  rich: true,
  fail: problem => new MillraceError('FRAME_MALFORMED', `the MessagePack ${problem}`),
}

const packr = new Packr({ useRecords: false })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: 'bigint' })

/** @throws FRAME_MALFORMED: it is no MessagePack of plain values; and what `tensorsOfValue` throws */
export function decodeMsgpack(payload: Uint8Array, specs: readonly TensorSpec[]): Tensors {
  checkPlain(payload, RULES)
  return tensorsOfValue(unpack(payload), specs)
}

/**
 * The fields of `head`, and under `outputs` the tensors as `decodeMsgpack` reads them: `data` is the elements'
 * little-endian bytes, or a list of texts.
 */
export function encodeMsgpack(head: Readonly<Record<string, unknown>>, outputs: Tensors): Uint8Array {
  const tensors = Object.entries(outputs).map(([name, { dtype, dims, data }]) => {
    const content = ArrayBuffer.isView(data)
      ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
      : data
    return [name, { dtype, dims, data: content }] as const
  })
  return packr.pack({ ...head, outputs: Object.fromEntries(tensors) })
}

function unpack(payload: Uint8Array): unknown {
  try {
    return unpackr.unpack(payload) as unknown
  } catch (error) {
    throw MillraceError.from(error, 'FRAME_MALFORMED', 'the message is no MessagePack: ')
  }
}
