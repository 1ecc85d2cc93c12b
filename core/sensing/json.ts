import { MillraceError } from '../errors.js'
import { type Tensors, type TensorSpec } from '../tensor.js'
import { MOST_VALUES, tensorsOfValue } from './values.js'

const decoder = new TextDecoder('utf-8', { fatal: true })
const OPENERS = new Set([...',[{'].map(letter => letter.charCodeAt(0)))

/** @throws FRAME_MALFORMED: it is no JSON, or has too many values; and what `tensorsOfValue` throws */
export function decodeJson(payload: Uint8Array, specs: readonly TensorSpec[]): Tensors {
  refuseMany(payload)
  return tensorsOfValue(parse(payload), specs)
}

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(payload)) as unknown
  } catch (error) {
    throw MillraceError.from(error, 'FRAME_MALFORMED', 'the message is no JSON: ')
  }
}

/** Before anything is made of them: each value takes many times the bytes that it takes in the message. */
function refuseMany(payload: Uint8Array): void {
  if (payload.byteLength <= MOST_VALUES) return
  let values = 0
  for (const byte of payload) if (OPENERS.has(byte)) values++
  if (values > MOST_VALUES) {
    throw new MillraceError(
      'FRAME_MALFORMED',
      `the message has more than ${MOST_VALUES} values: send data as base64, or as raw or msgpack`,
    )
  }
}
