import { crc32 } from 'node:zlib'
import { MillraceError } from '../errors.js'

/**
 * The prelude of an envelope, 32 bytes, little-endian:
 *
 * | byte | type | what |
 * | --- | --- | --- |
 * | 0 | u32 | magic |
 * | 4 | u8 | version |
 * | 5 | u8[3] | zero |
 * | 8 | u32 | length of the header |
 * | 12 | u32 | CRC-32 of all after the header |
 * | 16 | f64 | length of the message |
 * | 24 | u32 | where the payload starts, a multiple of 64 |
 * | 28 | u32 | CRC-32 of bytes 0 to 27 and the header |
 */
export const PRELUDE_BYTES = 32
/** Tensors start at multiples of this from the start of the message, so that any typed array can view them. */
export const ALIGNMENT = 64
const MAGIC = 0x31_46_52_4d // 'MRF1'
const VERSION = 1
/** A header larger than this is none: it would be the work of a stranger. */
const MOST_HEADER_BYTES = 1 << 24

export interface Prelude {
  readonly headerBytes: number
  readonly payloadStart: number
  readonly payloadChecksum: number
}

export function aligned(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT
}

/** Fills in the prelude of a message whose header and payload are in place. */
export function seal(message: Uint8Array, headerBytes: number): void {
  const view = viewOf(message)
  const payloadStart = aligned(PRELUDE_BYTES + headerBytes)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, VERSION, true)
  view.setUint32(8, headerBytes, true)
  view.setUint32(12, crc32(message.subarray(PRELUDE_BYTES + headerBytes)), true)
  view.setFloat64(16, message.byteLength, true)
  view.setUint32(24, payloadStart, true)
  view.setUint32(28, headerChecksum(message, headerBytes), true)
}

/**
 * Checks everything but the payload's checksum.
 * @throws ENVELOPE_INVALID, ENVELOPE_VERSION, ENVELOPE_CORRUPT
 */
export function openPrelude(message: Uint8Array): Prelude {
  const view = viewOf(message)
  if (message.byteLength < PRELUDE_BYTES || view.getUint32(0, true) !== MAGIC) {
    throw new MillraceError('ENVELOPE_INVALID', `${message.byteLength} bytes are not an envelope`)
  }
  const version = view.getUint8(4)
  if (version !== VERSION) {
    throw new MillraceError(
      'ENVELOPE_VERSION',
      `the envelope has version ${version}, this program reads ${VERSION}`,
    )
  }
  const headerBytes = view.getUint32(8, true)
  const payloadStart = view.getUint32(24, true)
  const whole =
    view.getFloat64(16, true) === message.byteLength &&
    headerBytes <= MOST_HEADER_BYTES &&
    payloadStart === aligned(PRELUDE_BYTES + headerBytes) &&
    payloadStart <= message.byteLength
  if (!whole) {
    throw new MillraceError('ENVELOPE_CORRUPT', 'the envelope does not have the length that it says')
  }
  if (view.getUint32(28, true) !== headerChecksum(message, headerBytes)) {
    throw new MillraceError('ENVELOPE_CORRUPT', "the checksum of the envelope's header is wrong")
  }
  return { headerBytes, payloadStart, payloadChecksum: view.getUint32(12, true) }
}

/** @throws ENVELOPE_CORRUPT */
export function checkPayload(message: Uint8Array, { headerBytes, payloadChecksum }: Prelude): void {
  if (crc32(message.subarray(PRELUDE_BYTES + headerBytes)) !== payloadChecksum) {
    throw new MillraceError('ENVELOPE_CORRUPT', "the checksum of the envelope's tensors is wrong")
  }
}

function headerChecksum(message: Uint8Array, headerBytes: number): number {
  const header = message.subarray(PRELUDE_BYTES, PRELUDE_BYTES + headerBytes)
  return crc32(header, crc32(message.subarray(0, PRELUDE_BYTES - 4)))
}

function viewOf(message: Uint8Array): DataView {
  return new DataView(message.buffer, message.byteOffset, message.byteLength)
}
