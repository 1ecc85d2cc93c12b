/** The largest first packet: a CONNECT, before its sender is known (decision D14). */
const MOST_BEFORE_CONNACK = 64 * 1024
const CONNECT = 1

/**
 * Reads the fixed headers of an MQTT stream [MQTT-2.2]: the parser behind it would buffer whatever length a stranger
 * declares.
 */
export class HeaderGuard {
  private limit = MOST_BEFORE_CONNACK
  private first = true
  /** Bytes of the packet under way that are still to come; undefined inside a header. */
  private rest: number | undefined
  private length = 0
  private factor = 1
  private inLength = false

  constructor(private readonly maxPacketBytes: number) {}

  /** The client is known: from now on packets may be as large as the broker takes them. */
  admit(): void {
    this.limit = this.maxPacketBytes
  }

  /** @returns why the stream must end, or undefined where all is well so far */
  inspect(chunk: Uint8Array): string | undefined {
    for (let i = 0; i < chunk.byteLength;) {
      if (this.rest !== undefined) {
        const skipped = Math.min(this.rest, chunk.byteLength - i)
        i += skipped
        this.rest = this.rest === skipped ? undefined : this.rest - skipped
        continue
      }
      const problem = this.header(chunk[i++] ?? 0)
      if (problem !== undefined) return problem
    }
    return undefined
  }

  private header(byte: number): string | undefined {
    if (!this.inLength) {
      if (this.first && byte >> 4 !== CONNECT) return 'the first packet is no CONNECT'
      this.first = false
      this.inLength = true
      this.length = 0
      this.factor = 1
      return undefined
    }
    this.length += (byte & 127) * this.factor
    this.factor *= 128
    if (this.length > this.limit)
      return `a packet of ${this.length} bytes or more, the limit is ${this.limit}`
    if (byte >= 128) return this.factor > 128 ** 3 ? 'a length of more than four bytes' : undefined
    this.inLength = false
    this.rest = this.length === 0 ? undefined : this.length
    return undefined
  }
}
