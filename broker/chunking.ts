import { randomBytes } from 'node:crypto'

/**
 * A payload that is too large for one message travels as chunks on its topic. Each begins with a header, big-endian:
 *
 * | byte | type | what |
 * | --- | --- | --- |
 * | 0 | 8 bytes | magic |
 * | 8 | 8 bytes | sender, by chance |
 * | 16 | u32 | message of that sender |
 * | 20 | u32 | index of the chunk |
 * | 24 | u32 | bytes of every chunk but the last, headers not counted |
 * | 28 | f64 | bytes of the whole payload |
 */
export const CHUNK_HEADER_BYTES = 36
const MAGIC = Buffer.from('\u0000MRCHNK1', 'latin1')

export interface ChunkLimits {
  /** Largest joined payload, and most memory for payloads that are not complete, in bytes. */
  readonly maxBytes: number
  /** Payloads that may be incomplete at once. */
  readonly maxPartials: number
  /** Time without another chunk after which an incomplete payload is given up, in ms. */
  readonly maxAgeMs: number
}

export const CHUNK_LIMITS: ChunkLimits = { maxBytes: 2 ** 30, maxPartials: 256, maxAgeMs: 60_000 }

/** A payload that begins like a chunk must go as one, or it would be taken for one. */
export function mustSplit(payload: Uint8Array, maxMessageBytes: number): boolean {
  return payload.byteLength > maxMessageBytes || hasMagic(payload)
}

/** Whether a payload leaves in more than one chunk, of which a broker would retain only the last. */
export function takesSeveral(payload: Uint8Array, maxMessageBytes: number): boolean {
  const room = hasMagic(payload) ? maxMessageBytes - CHUNK_HEADER_BYTES : maxMessageBytes
  return payload.byteLength > room
}

/** Splits payloads; one per connection. */
export class Splitter {
  private readonly sender = randomBytes(8)
  private message = 0;

  /** The messages that `payload` goes as, each of at most `maxMessageBytes`. */
  *split(payload: Uint8Array, maxMessageBytes: number): Generator<Buffer> {
    const size = Math.max(1, maxMessageBytes - CHUNK_HEADER_BYTES)
    const message = this.message++ % 2 ** 32
    const count = Math.max(1, Math.ceil(payload.byteLength / size))
    for (let index = 0; index < count; index++) {
      const content = payload.subarray(index * size, (index + 1) * size)
      const chunk = Buffer.allocUnsafe(CHUNK_HEADER_BYTES + content.byteLength)
      MAGIC.copy(chunk)
      this.sender.copy(chunk, 8)
      chunk.writeUInt32BE(message, 16)
      chunk.writeUInt32BE(index, 20)
      chunk.writeUInt32BE(size, 24)
      chunk.writeDoubleBE(payload.byteLength, 28)
      chunk.set(content, CHUNK_HEADER_BYTES)
      yield chunk
    }
  }
}

interface Partial {
  readonly payload: Uint8Array<ArrayBuffer>
  readonly size: number
  next: number
  touchedAt: number
}

/** What came of a message. */
export type Joined =
  | { readonly state: 'plain' }
  /** More is to come, or the payload it belongs to was given up. */
  | { readonly state: 'partial' }
  /** The whole payload, in an ArrayBuffer of its own. */
  | { readonly state: 'whole'; readonly payload: Uint8Array<ArrayBuffer> }

/**
 * Joins chunks again. A chunk that is missing gives its payload up: it was sent at most once, and what is lost is for the
 * ledger. Memory is bounded whatever arrives.
 */
export class Joiner {
  private readonly partials = new Map<string, Partial>()
  private bytes = 0

  constructor(
    private readonly limits: ChunkLimits = CHUNK_LIMITS,
    private readonly now: () => number = Date.now,
  ) {}

  accept(topic: string, message: Uint8Array): Joined {
    if (!hasMagic(message)) return { state: 'plain' }
    const chunk = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
    if (chunk.byteLength < CHUNK_HEADER_BYTES) return { state: 'partial' }
    const key = `${topic}\n${chunk.toString('hex', 8, 20)}`
    const index = chunk.readUInt32BE(20)
    const known = this.partials.get(key)
    // Sent again because its acknowledgement was lost: QoS 1 is at least once.
    if (known !== undefined && index < known.next && sameLayout(known, chunk)) return { state: 'partial' }
    const partial = index === 0 ? this.begin(key, chunk) : known
    if (partial === undefined) return { state: 'partial' }
    return this.append(key, partial, chunk)
  }

  /** Gives up all that is incomplete: after a break of the connection its rest will not come. */
  clear(): void {
    this.partials.clear()
    this.bytes = 0
  }

  private begin(key: string, chunk: Buffer): Partial | undefined {
    this.drop(key)
    this.expire()
    const size = chunk.readUInt32BE(24)
    const total = chunk.readDoubleBE(28)
    const content = chunk.byteLength - CHUNK_HEADER_BYTES
    // A first chunk that is not full must be the whole: memory is given only to what can come true.
    const plausible =
      Number.isSafeInteger(total) && total >= 0 && size > 0 && content === Math.min(size, total)
    if (!plausible || total > this.limits.maxBytes) return undefined
    while (this.bytes + total > this.limits.maxBytes || this.partials.size >= this.limits.maxPartials) {
      const oldest = this.partials.keys().next()
      if (oldest.done === true) break
      this.drop(oldest.value)
    }
    const partial = { payload: new Uint8Array(total), size, next: 0, touchedAt: this.now() }
    this.partials.set(key, partial)
    this.bytes += total
    return partial
  }

  private append(key: string, partial: Partial, chunk: Buffer): Joined {
    const index = chunk.readUInt32BE(20)
    const content = chunk.subarray(CHUNK_HEADER_BYTES)
    const start = index * partial.size
    const expected = Math.min(partial.size, partial.payload.byteLength - start)
    if (index !== partial.next || content.byteLength !== expected) {
      this.drop(key)
      return { state: 'partial' }
    }
    partial.payload.set(content, start)
    partial.next++
    partial.touchedAt = this.now()
    if (start + expected < partial.payload.byteLength) return { state: 'partial' }
    this.drop(key)
    return { state: 'whole', payload: partial.payload }
  }

  private expire(): void {
    const oldest = this.now() - this.limits.maxAgeMs
    for (const [key, { touchedAt }] of this.partials) if (touchedAt < oldest) this.drop(key)
  }

  private drop(key: string): void {
    this.bytes -= this.partials.get(key)?.payload.byteLength ?? 0
    this.partials.delete(key)
  }
}

function sameLayout({ size, payload }: Partial, chunk: Buffer): boolean {
  return chunk.readUInt32BE(24) === size && chunk.readDoubleBE(28) === payload.byteLength
}

function hasMagic(message: Uint8Array): boolean {
  return message.byteLength >= MAGIC.byteLength && MAGIC.equals(message.subarray(0, MAGIC.byteLength))
}
