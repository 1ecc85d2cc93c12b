import { type SpareMemory } from '../core/spare-memory.js'

const PUBLISH = 3
const QOS = 0b0110
/** Of a length of a text, and of a packet's identifier. */
const SHORT_BYTES = 2
/** Less shares memory with others: an ArrayBuffer takes longer than the bytes. */
const POOLED_BYTES = 1_024

export interface TakenPublish {
  readonly topic: string
  readonly payload: Uint8Array
  /** Whether it has an ArrayBuffer to itself, from a kilobyte on; that may be longer than the payload. */
  readonly owned: boolean
  /** Of quality 1: what its acknowledgement names. */
  readonly id: number | undefined
}

/**
 * Takes PUBLISH packets of quality 0 and 1 out of an MQTT stream whose lengths are checked, and hands on all others
 * [MQTT-3.3]. A payload is copied once, from where the socket left it to memory of its own: that is known as soon as its
 * length is, and what nothing is written to yet takes no memory.
 */
export class PublishReader {
  private take: ((publish: TakenPublish) => void) | undefined
  /** What came behind the first packet before `open`. */
  private readonly early: Uint8Array[] = []
  private introduced = false
  private readonly packets = this.read()
  private wanted: Buffer = Buffer.alloc(this.packets.next().value)
  private got = 0

  /**
   * @param pass  takes other packets, each whole
   * @param memory  for payloads, of messages that have left
   */
  constructor(
    private readonly pass: (packet: Buffer) => void,
    private readonly memory: SpareMemory,
  ) {}

  /** Whether what comes is kept, because it is not known yet whether the client is welcome: reading is to stop. */
  get waits(): boolean {
    return this.introduced && this.take === undefined
  }

  /**
   * The client is welcome: from now on its messages are taken. Throws what `take` throws.
   * @throws an error where the packets are none
   */
  open(take: (publish: TakenPublish) => void): void {
    this.take = take
    for (const chunk of this.early.splice(0)) this.accept(chunk)
  }

  /**
   * Throws what `take` throws.
   * @throws an error where the packets are none
   */
  accept(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.byteLength;) {
      if (this.waits) {
        this.early.push(chunk.subarray(at))
        return
      }
      const end = Math.min(chunk.byteLength, at + this.wanted.byteLength - this.got)
      this.wanted.set(chunk.subarray(at, end), this.got)
      this.got += end - at
      at = end
      while (this.got === this.wanted.byteLength) {
        this.wanted = this.next(this.wanted)
        this.got = 0
      }
    }
  }

  private next(bytes: Buffer): Buffer {
    const size = this.packets.next(bytes).value
    return size < POOLED_BYTES ? Buffer.allocUnsafe(size) : this.memory.take(size)
  }

  /** Asks for so many bytes at a time, and gets them. */
  private *read(): Generator<number, never, Buffer> {
    for (;;) {
      const { header, length } = yield* fixedHeader()
      const quality = (header[0] & QOS) >> 1
      if (header[0] >> 4 === PUBLISH && quality < 2) this.take?.(yield* publish(length, quality === 1))
      else this.pass(Buffer.concat([Uint8Array.from(header), yield length]))
      this.introduced = true
    }
  }
}

/** [MQTT-2.2] */
function* fixedHeader(): Generator<number, { header: [number, ...number[]]; length: number }, Buffer> {
  const header: [number, ...number[]] = [(yield 1).readUInt8()]
  for (let [length, factor] = [0, 1]; ; factor *= 128) {
    const byte = (yield 1).readUInt8()
    header.push(byte)
    length += (byte & 127) * factor
    if (byte < 128) return { header, length }
  }
}

function* publish(length: number, acknowledged: boolean): Generator<number, TakenPublish, Buffer> {
  const idBytes = acknowledged ? SHORT_BYTES : 0
  const topicBytes = length < SHORT_BYTES ? Infinity : (yield SHORT_BYTES).readUInt16BE()
  const payloadBytes = length - SHORT_BYTES - topicBytes - idBytes
  if (payloadBytes < 0) throw new Error(`a message of ${length} bytes in which its topic has no room`)
  const topic = (yield topicBytes).toString()
  const id = acknowledged ? (yield SHORT_BYTES).readUInt16BE() : undefined
  return { topic, id, payload: yield payloadBytes, owned: payloadBytes >= POOLED_BYTES }
}
