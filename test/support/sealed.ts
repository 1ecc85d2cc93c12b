import { pack } from 'msgpackr'
import { aligned, PRELUDE_BYTES, seal } from '../../core/codec/layout.js'

/** The header of a sound message that carries `tensors`, as it is packed. */
export function headerValue(tensors: readonly unknown[]): unknown[] {
  return ['door', 'camera', 0, 1, 0, 0, [], null, tensors]
}

/** A message with any header bytes and any payload, under checksums that are right. */
export function sealed(header: Uint8Array, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const start = aligned(PRELUDE_BYTES + header.byteLength)
  const message = new Uint8Array(start + aligned(payload.byteLength))
  message.set(header, PRELUDE_BYTES)
  message.set(payload, start)
  seal(message, header.byteLength)
  return message
}

export function sealedTensors(tensors: readonly unknown[], payload?: Uint8Array): Uint8Array {
  return sealed(pack(headerValue(tensors)), payload)
}
