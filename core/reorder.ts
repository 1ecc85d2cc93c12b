import { BriefMap } from './brief-map.js'

/** Order in which the predictions of a stream are delivered (promise 3). */
export type DeliveryOrder = 'admission' | 'completion'

/**
 * Puts what ends in any order back into the order of the sequence numbers. It holds what waits for an earlier one, so
 * it is as large as the frames that are open.
 */
export class Reorder<T> {
  private readonly waiting = new BriefMap<number, T | undefined>()
  private next: number

  /** @param first  the first sequence number to come */
  constructor(
    private readonly order: DeliveryOrder,
    first: number,
  ) {
    this.next = first
  }

  /**
   * Number `sequence` has ended; each number does so once.
   * @param value  what is to be delivered; undefined: nothing, so that later ones do not wait for it
   * @returns what can be delivered now, in order
   */
  settle(sequence: number, value: T | undefined): T[] {
    if (this.order === 'completion') return value === undefined ? [] : [value]
    this.waiting.set(sequence, value)
    const ready: T[] = []
    while (this.waiting.has(this.next)) {
      const held = this.waiting.get(this.next)
      this.waiting.delete(this.next++)
      if (held !== undefined) ready.push(held)
    }
    return ready
  }

  /** Takes all that waits for an earlier number: it is not going to be delivered. */
  clear(): T[] {
    const held = this.waiting.values().filter(value => value !== undefined)
    this.waiting.clear()
    return held
  }
}
