import { uncompressSync } from 'lz4-napi'
import { MillraceError } from '../errors.js'
import { type Envelope, type FrameHeader } from '../frame.js'
import {
  byteLength,
  DTYPES,
  elementCount,
  type NumericData,
  type NumericDType,
  type Tensor,
} from '../tensor.js'
import { type TensorEntry, unpackHeader, type WireHeader } from './header.js'
import { checkPayload, openPrelude, type Prelude, PRELUDE_BYTES } from './layout.js'

/** The largest tensor that a message may unfold to, in bytes: ONNX itself ends at 2 GiB. */
const MOST_TENSOR_BYTES = 2 ** 31

/**
 * What a message says of its frame, without a look at the tensors.
 * @throws ENVELOPE_INVALID, ENVELOPE_VERSION, ENVELOPE_CORRUPT
 */
export function decodeHeader(message: Uint8Array): FrameHeader {
  return unpackWire(message, openPrelude(message)).header
}

/**
 * The whole message. A raw numeric tensor is a view into `message` where its address there allows that, and it always
 * does when the message begins at a multiple of 8 in its ArrayBuffer; anything else is in fresh memory.
 * @throws ENVELOPE_INVALID, ENVELOPE_VERSION, ENVELOPE_CORRUPT
 */
export function decodeEnvelope(message: Uint8Array): Envelope {
  const prelude = openPrelude(message)
  checkPayload(message, prelude)
  const { header, tensors } = unpackWire(message, prelude)
  const payload = message.subarray(prelude.payloadStart)
  const decoded = new Map<string, Tensor>()
  for (const entry of tensors) {
    if (decoded.has(entry.name)) throw invalid(entry, 'is there twice')
    decoded.set(entry.name, unpackTensor(entry, payload))
  }
  return { header, tensors: Object.fromEntries(decoded) }
}

function unpackWire(message: Uint8Array, { headerBytes }: Prelude): WireHeader {
  return unpackHeader(message.subarray(PRELUDE_BYTES, PRELUDE_BYTES + headerBytes))
}

function unpackTensor(entry: TensorEntry, payload: Uint8Array): Tensor {
  const { dtype, dims, offset, length } = entry
  if (offset + length > payload.byteLength) throw invalid(entry, 'ends beyond the message')
  const bytes = payload.subarray(offset, offset + length)
  if (dtype === 'string') return { dtype, dims, data: unpackStrings(entry, unfold(entry, bytes, undefined)) }
  const expected = byteLength(dtype, dims)
  if (!(expected <= MOST_TENSOR_BYTES)) throw invalid(entry, `would take ${expected} bytes`)
  return { dtype, dims, data: viewAs(dtype, unfold(entry, bytes, expected), elementCount(dims)) }
}

/** @param expected  bytes that the dims make; strings know their own */
function unfold(entry: TensorEntry, bytes: Uint8Array, expected: number | undefined): Uint8Array {
  if (entry.encoding === 'raw') {
    if (bytes.byteLength !== (expected ?? bytes.byteLength))
      throw invalid(entry, `has ${bytes.byteLength} bytes`)
    return bytes
  }
  // The block begins with the length that it unfolds to: it must be right before memory is given to it.
  const claimed = bytes.byteLength < 4 ? NaN : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  if (!(claimed <= MOST_TENSOR_BYTES) || claimed !== (expected ?? claimed))
    throw invalid(entry, 'unfolds to another size')
  try {
    const unfolded = uncompressSync(bytes)
    if (unfolded.byteLength === claimed) return unfolded
  } catch (error) {
    throw MillraceError.from(error, 'ENVELOPE_INVALID', `tensor '${entry.name}': `)
  }
  throw invalid(entry, 'does not unfold')
}

function viewAs(dtype: NumericDType, bytes: Uint8Array, elements: number): NumericData {
  const { array } = DTYPES[dtype]
  const usable = bytes.buffer instanceof ArrayBuffer && bytes.byteOffset % array.BYTES_PER_ELEMENT === 0
  const placed = usable ? bytes : Uint8Array.from(bytes)
  return new array(placed.buffer as ArrayBuffer, placed.byteOffset, elements)
}

function unpackStrings(entry: TensorEntry, bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const decoder = new TextDecoder()
  const strings: string[] = []
  let offset = 0
  while (offset + 4 <= bytes.byteLength) {
    const end = offset + 4 + view.getUint32(offset, true)
    if (end > bytes.byteLength) break
    strings.push(decoder.decode(bytes.subarray(offset + 4, end)))
    offset = end
  }
  if (offset !== bytes.byteLength || strings.length !== elementCount(entry.dims)) {
    throw invalid(entry, 'does not hold the strings that its dims say')
  }
  return strings
}

function invalid({ name, dtype, dims }: TensorEntry, problem: string): MillraceError {
  return new MillraceError('ENVELOPE_INVALID', `tensor '${name}' (${dtype} [${dims.join(', ')}]) ${problem}`)
}
