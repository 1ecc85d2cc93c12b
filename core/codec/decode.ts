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
import { aligned, checkPayload, openPrelude, type Prelude, PRELUDE_BYTES } from './layout.js'

/** The largest tensor that a message may unfold to, in bytes: ONNX itself ends at 2 GiB. */
const MOST_TENSOR_BYTES = 2 ** 31
/** A byte of an LZ4 block unfolds to no more than this many. */
const MOST_LZ4_RATIO = 255
/** The length that stands before an LZ4 block. */
const LZ4_PREFIX_BYTES = 4

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
  checkPlaces(tensors, payload.byteLength)
  return {
    header,
    tensors: Object.fromEntries(tensors.map(entry => [entry.name, unpackTensor(entry, payload)])),
  }
}

/** Tensors stand one after the other, each once: many that share their bytes could unfold to more than memory holds. */
function checkPlaces(tensors: readonly TensorEntry[], payloadBytes: number): void {
  const names = new Set<string>()
  let next = 0
  for (const entry of tensors) {
    if (names.has(entry.name)) throw invalid(entry, 'is there twice')
    if (entry.offset !== next) throw invalid(entry, `is at ${entry.offset}, not at ${next}`)
    names.add(entry.name)
    next = aligned(entry.offset + entry.length)
  }
  if (next !== payloadBytes) {
    throw new MillraceError(
      'ENVELOPE_INVALID',
      `the tensors take ${next} bytes, but the message has ${payloadBytes}`,
    )
  }
}

function unpackWire(message: Uint8Array, { headerBytes }: Prelude): WireHeader {
  return unpackHeader(message.subarray(PRELUDE_BYTES, PRELUDE_BYTES + headerBytes))
}

function unpackTensor(entry: TensorEntry, payload: Uint8Array): Tensor {
  const { dtype, dims, offset, length } = entry
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
  const claimed = claimedBytes(entry, bytes)
  if (claimed !== (expected ?? claimed)) throw invalid(entry, `unfolds to ${claimed} bytes`)
  try {
    const unfolded = uncompressSync(bytes)
    if (unfolded.byteLength === claimed) return unfolded
  } catch (error) {
    throw MillraceError.from(error, 'ENVELOPE_INVALID', `tensor '${entry.name}': `)
  }
  throw invalid(entry, 'does not unfold')
}

/** What an LZ4 block says that it unfolds to. It must be believable before that much memory is given to it. */
function claimedBytes(entry: TensorEntry, bytes: Uint8Array): number {
  if (bytes.byteLength < LZ4_PREFIX_BYTES) throw invalid(entry, 'has no LZ4 block')
  const claimed = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  const most = Math.min(MOST_TENSOR_BYTES, (bytes.byteLength - LZ4_PREFIX_BYTES) * MOST_LZ4_RATIO)
  if (claimed > most) throw invalid(entry, `cannot unfold to ${claimed} bytes`)
  return claimed
}

function viewAs(dtype: NumericDType, bytes: Uint8Array, elements: number): NumericData {
  const { array } = DTYPES[dtype]
  const usable = bytes.buffer instanceof ArrayBuffer && bytes.byteOffset % array.BYTES_PER_ELEMENT === 0
  const placed = usable ? bytes : new Uint8Array(bytes)
  return new array(placed.buffer as ArrayBuffer, placed.byteOffset, elements)
}

function unpackStrings(entry: TensorEntry, bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // Without `ignoreBOM` a text would lose a byte order mark at its start.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
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
