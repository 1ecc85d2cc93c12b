import { Unpackr } from 'msgpackr'
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

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: 'bigint' })

/** @throws FRAME_MALFORMED: it is no MessagePack of plain values; and what `tensorsOfValue` throws */
export function decodeMsgpack(payload: Uint8Array, specs: readonly TensorSpec[]): Tensors {
  checkPlain(payload, RULES)
  return tensorsOfValue(unpack(payload), specs)
}

function unpack(payload: Uint8Array): unknown {
  try {
    return unpackr.unpack(payload) as unknown
  } catch (error) {
    throw MillraceError.from(error, 'FRAME_MALFORMED', 'the message is no MessagePack: ')
  }
}
