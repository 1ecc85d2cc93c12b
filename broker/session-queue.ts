/** What the broker keeps of a message, or of the second half of a QoS 2 exchange, which has no payload. */
export interface StoredPacket {
  readonly cmd?: string
  readonly topic?: string
  readonly payload?: Uint8Array
  /** Counts the broker's messages; a PUBREL has none. */
  readonly brokerCounter?: number | undefined
  /** Given when the message is sent. */
  messageId?: number | undefined
  /** Is told whether the client acknowledged it; false: it went before. */
  readonly settle?: (taken: boolean) => void
}

/** What a message takes beside its payload and topic, about. */
const MESSAGE_BYTES = 256

/** The messages that wait for one client's acknowledgement, oldest first, within a bound. */
export class SessionQueue {
  private readonly packets = new Map<number, StoredPacket>()
  /** From the id on the wire to the place in the queue. */
  private readonly sent = new Map<number, number>()
  private held = 0
  private next = 0

  constructor(private readonly maxBytes: number) {}

  get messages(): number {
    return this.packets.size
  }

  get bytes(): number {
    return this.held
  }

  /** @returns how many messages went: the oldest, or this one where it is larger than the bound */
  add(packet: StoredPacket): number {
    if (sizeOf(packet) > this.maxBytes) {
      packet.settle?.(false)
      return 1
    }
    const place = packet.brokerCounter ?? --this.next
    this.remove(place)
    this.packets.set(place, packet)
    this.held += sizeOf(packet)
    let gone = 0
    for (const oldest of this.packets.keys()) {
      if (this.held <= this.maxBytes) break
      this.remove(oldest)?.settle?.(false)
      gone++
    }
    return gone
  }

  /** Notes under which id a message was sent, or that a PUBREL takes the place of what was sent under its id. */
  update(packet: StoredPacket): void {
    const { brokerCounter, messageId } = packet
    if (messageId === undefined) return
    const known = brokerCounter === undefined ? undefined : this.packets.get(brokerCounter)
    if (known !== undefined && brokerCounter !== undefined) {
      if (known.messageId !== undefined) this.sent.delete(known.messageId)
      known.messageId = messageId
      this.sent.set(messageId, brokerCounter)
      return
    }
    const place = this.sent.get(messageId)
    const replaced = place === undefined ? undefined : this.packets.get(place)
    if (place === undefined || replaced === undefined) return
    this.held += sizeOf(packet) - sizeOf(replaced)
    this.packets.set(place, packet)
  }

  /** The client has acknowledged what was sent under this id. */
  acknowledge(messageId: number | undefined): StoredPacket | undefined {
    const place = messageId === undefined ? undefined : this.sent.get(messageId)
    return place === undefined ? undefined : this.remove(place)
  }

  /** A copy: what is sent from it is acknowledged while it is read. */
  waiting(): StoredPacket[] {
    return [...this.packets.values()]
  }

  private remove(place: number): StoredPacket | undefined {
    const packet = this.packets.get(place)
    if (packet === undefined) return undefined
    this.packets.delete(place)
    this.held -= sizeOf(packet)
    const { messageId } = packet
    if (messageId !== undefined && this.sent.get(messageId) === place) this.sent.delete(messageId)
    return packet
  }
}

function sizeOf({ topic = '', payload }: StoredPacket): number {
  return Buffer.byteLength(topic) + (payload?.byteLength ?? 0) + MESSAGE_BYTES
}
