/** What a stream does with frames that come faster than the window takes them (promise 2). */
export type Delivery = 'lossless' | 'freshest'

export interface QueueLimits {
  readonly delivery: Delivery
  readonly maxFrames: number
  readonly maxBytes: number
}

/** The bounded queue of one stream in front of the window. First in, first out. */
export class AdmissionQueue<T> {
  private readonly items: { readonly item: T; readonly bytes: number }[] = []
  private bytes = 0

  constructor(private readonly limits: QueueLimits) {}

  get size(): number {
    return this.items.length
  }

  /** The next item to be taken. */
  get oldest(): T | undefined {
    return this.items[0]?.item
  }

  /**
   * @returns whether the item is in the queue, and which older ones it displaced, oldest first. `lossless` displaces
   *   none; `freshest` displaces until the new one fits. An item that is
   *   alone always fits
   */
  offer(item: T, bytes: number): { readonly admitted: boolean; readonly displaced: readonly T[] } {
    if (this.limits.delivery === 'lossless' && !this.fits(bytes)) return { admitted: false, displaced: [] }
    const displaced: T[] = []
    while (!this.fits(bytes)) {
      const oldest = this.take()
      if (oldest === undefined) break
      displaced.push(oldest)
    }
    this.items.push({ item, bytes })
    this.bytes += bytes
    return { admitted: true, displaced }
  }

  take(): T | undefined {
    const first = this.items.shift()
    this.bytes -= first?.bytes ?? 0
    return first?.item
  }

  private fits(bytes: number): boolean {
    const { maxFrames, maxBytes } = this.limits
    return this.items.length === 0 || (this.items.length < maxFrames && this.bytes + bytes <= maxBytes)
  }
}
