import { compressSync } from 'lz4-napi'
import { MillraceError } from '../errors.js'
import { type Envelope } from '../frame.js'
import { type SpareMemory } from '../spare-memory.js'
import { byteLength, elementCount, isDType, type Tensor } from '../tensor.js'
import { type Encoding, MOST_DIMS, packHeader, type TensorEntry } from './header.js'
import { aligned, PRELUDE_BYTES, seal } from './layout.js'

export interface EncodeOptions {
  /** LZ4 on each tensor that it makes smaller. Default false. */
  readonly lz4?: boolean
  /** Memory to write it to, where some fits. */
  readonly memory?: SpareMemory
}

interface Packed {
  readonly entry: TensorEntry
  readonly bytes: Uint8Array
}

/**
 * One message of a frame, at the start of an ArrayBuffer of its own that may be transferred to another thread.
 * Texts travel as UTF-8: half of a surrogate pair that stands alone arrives as U+FFFD.
 * @throws TENSOR_INVALID: a tensor's name is empty, its type none that can be carried, it has more than 64 dims, or its
 *   data is not as long as its type and dims say
 */
export function encodeEnvelope(envelope: Envelope, options: EncodeOptions = {}): Uint8Array<ArrayBuffer> {
  let offset = 0
  const packed: Packed[] = []
  for (const [name, value] of Object.entries(envelope.tensors)) {
    const { bytes, encoding } = pack(name, value, options.lz4 ?? false)
    const { dtype, dims } = value
    packed.push({ entry: { name, dtype, dims, encoding, offset, length: bytes.byteLength }, bytes })
    offset = aligned(offset + bytes.byteLength)
  }
  const header = packHeader({ header: envelope.header, tensors: packed.map(({ entry }) => entry) })
  const payloadStart = aligned(PRELUDE_BYTES + header.byteLength)
  const size = payloadStart + offset
  const message = options.memory?.take(size) ?? new Uint8Array(size)
  put(message, header, PRELUDE_BYTES)
  for (const { entry, bytes } of packed) put(message, bytes, payloadStart + entry.offset)
  seal(message, header.byteLength)
  return message
}

/** With nothing of an older message up to where the next may begin. */
function put(message: Uint8Array, bytes: Uint8Array, offset: number): void {
  message.set(bytes, offset)
  const end = offset + bytes.byteLength
  message.fill(0, end, aligned(end))
}

function pack(name: string, value: Tensor, lz4: boolean): { bytes: Uint8Array; encoding: Encoding } {
  checkTensor(name, value)
  const bytes = value.dtype === 'string' ? packStrings(value.data) : bytesOf(value.data)
  if (!lz4 || bytes.byteLength === 0) return { bytes, encoding: 'raw' }
  const compressed = compressSync(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  return compressed.byteLength < bytes.byteLength
    ? { bytes: compressed, encoding: 'lz4' }
    : { bytes, encoding: 'raw' }
}

function checkTensor(name: string, value: Tensor): void {
  const { dtype, dims } = value
  const what = `tensor '${name}' (${dtype} [${dims.join(', ')}])`
  if (name === '' || !isDType(dtype) || dims.length > MOST_DIMS) {
    throw new MillraceError('TENSOR_INVALID', `${what} cannot be carried`)
  }
  const fits =
    value.dtype === 'string'
      ? value.data.length === elementCount(dims)
      : value.data.byteLength === byteLength(value.dtype, dims)
  if (!fits) throw new MillraceError('TENSOR_INVALID', `the data of ${what} has another length`)
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** Each string as its length in UTF-8 bytes, a little-endian u32, and these bytes. */
function packStrings(strings: readonly string[]): Uint8Array {
  const texts = strings.map(text => Buffer.from(text, 'utf8'))
  const bytes = new Uint8Array(texts.reduce((sum, text) => sum + 4 + text.byteLength, 0))
  const view = new DataView(bytes.buffer)
  let offset = 0
  for (const text of texts) {
    view.setUint32(offset, text.byteLength, true)
    bytes.set(text, offset + 4)
    offset += 4 + text.byteLength
  }
  return bytes
}
