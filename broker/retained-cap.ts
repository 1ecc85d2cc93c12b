/** Retained messages in the order in which they were set, within bounds. */
export class RetainedCap {
  private readonly sizes = new Map<string, number>()
  private bytes = 0

  constructor(
    private readonly limits: { readonly maxRetainedMessages: number; readonly maxRetainedBytes: number },
  ) {}

  get messages(): number {
    return this.sizes.size
  }

  get retainedBytes(): number {
    return this.bytes
  }

  /** Notes a retained message of `size` bytes, or with 0 its end. @returns topics whose messages must go */
  note(topic: string, size: number): string[] {
    this.forget(topic)
    if (size > 0) {
      this.sizes.set(topic, size)
      this.bytes += size
    }
    const gone: string[] = []
    for (const oldest of this.sizes.keys()) {
      const { maxRetainedMessages, maxRetainedBytes } = this.limits
      if (this.sizes.size <= maxRetainedMessages && this.bytes <= maxRetainedBytes) break
      this.forget(oldest)
      gone.push(oldest)
    }
    return gone
  }

  private forget(topic: string): void {
    this.bytes -= this.sizes.get(topic) ?? 0
    this.sizes.delete(topic)
  }
}
