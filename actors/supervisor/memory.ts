import { type Bus } from '../../core/bus.js'
import { levelsBelow, type Topics } from '../../core/topics.js'

/** Topics that are remembered, the newest (promise 8). */
const MOST_TOPICS = 10_000

/**
 * What a supervisor has heard of what is retained, so that it can say it again to a broker that has forgotten everything. It
 * outlives the terms of one process.
 */
export class Memory {
  private readonly payloads = new Map<string, Uint8Array>()
  private term = 0

  /** It leads, and what it hears from now on is of this term. */
  begin(term: number): void {
    this.term = term
  }

  note(topic: string, payload: Uint8Array): void {
    this.payloads.delete(topic)
    if (payload.byteLength > 0) this.payloads.set(topic, new Uint8Array(payload))
    const [oldest] = this.payloads.keys()
    if (this.payloads.size > MOST_TOPICS && oldest !== undefined) this.payloads.delete(oldest)
  }

  /**
   * Whether the broker knows less than this, and nobody else has led since.
   * @param known  the largest term that it has retained; 0: none
   * @param obeyed  the largest term that a worker has obeyed
   */
  exceeds(known: number, obeyed: number): boolean {
    return this.term > known && obeyed <= this.term
  }

  /** Forgets all that another may have changed meanwhile. */
  clear(): void {
    this.payloads.clear()
  }

  /**
   * Has the broker retain it again.
   * @param deployed  pipelines that somebody has asked for since
   */
  async restore(bus: Bus, topics: Topics, deployed: ReadonlySet<string>): Promise<void> {
    for (const [topic, payload] of [...this.payloads]) {
      const [kind, name = ''] = levelsBelow(topics.root, topic) ?? []
      if (kind === 'pipeline' && deployed.has(name)) continue
      await bus.publish(topic, payload, { qos: 1, retain: true })
    }
  }
}
