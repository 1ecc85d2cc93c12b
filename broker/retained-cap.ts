/** Counts retained messages, in the order in which they were set, against bounds. */
export class RetainedCap {
  private readonly sizes = new Map<string, number>()
  private held = 0
  private gone = 0

  constructor(
    private readonly limits: { readonly maxRetainedMessages: number; readonly maxRetainedBytes: number },
  ) {}

  get messages(): number {
    return this.sizes.size
  }

  /** Of payloads and topics. */
  get bytes(): number {
    return this.held
  }

  /** Messages that had to go since the start. */
  get evicted(): number {
    return this.gone
  }

  /**
   * Notes a retained message with a payload of `payloadBytes`, or with 0 its end.
   * @returns topics whose messages must go; one that is larger than the bound goes alone
   */
  note(topic: string, payloadBytes: number): string[] {
    this.forget(topic)
    if (payloadBytes === 0) return []
    const size = payloadBytes + Buffer.byteLength(topic)
    const gone = size > this.limits.maxRetainedBytes ? [topic] : this.makeRoom(size)
    if (gone[0] !== topic) {
      this.sizes.set(topic, size)
      this.held += size
    }
    this.gone += gone.length
    return gone
  }

  private makeRoom(size: number): string[] {
    const { maxRetainedMessages, maxRetainedBytes } = this.limits
    const gone: string[] = []
    for (const oldest of this.sizes.keys()) {
      if (this.sizes.size < maxRetainedMessages && this.held + size <= maxRetainedBytes) break
      this.forget(oldest)
      gone.push(oldest)
    }
    return gone
  }

  private forget(topic: string): void {
    this.held -= this.sizes.get(topic) ?? 0
    this.sizes.delete(topic)
  }
}
