/** Counts retained messages, in the order in which they were set, against bounds. */
export class RetainedCap {
  private readonly sizes = new Map<string, number>()
  private held = 0

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

  /**
   * Notes a retained message with a payload of `payloadBytes`, or with 0 its end.
   * @returns topics whose messages must go; one that is larger than the bound goes alone
   */
  note(topic: string, payloadBytes: number): string[] {
    this.forget(topic)
    if (payloadBytes === 0) return []
    const size = payloadBytes + Buffer.byteLength(topic)
    const { maxRetainedMessages, maxRetainedBytes } = this.limits
    if (size > maxRetainedBytes) return [topic]
    this.sizes.set(topic, size)
    this.held += size
    const gone: string[] = []
    for (const oldest of this.sizes.keys()) {
      if (this.sizes.size <= maxRetainedMessages && this.held <= maxRetainedBytes) break
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
