import { type BusHandler, type BusMessage } from './bus.js'
import { matchesFilter } from './topic-filter.js'

/** Topics that a subscription remembers (promise 8); beyond, the oldest is forgotten, and its value may come twice. */
const MOST_TOPICS = 10_000

export interface SubscriptionEntry {
  readonly filter: string
  readonly qos: 0 | 1
}

interface Entry extends SubscriptionEntry {
  readonly handler: BusHandler
  /** Topics of which something came since the connection began. */
  readonly heard: Set<string>
}

/**
 * The handlers of one bus. A broker sends a client one copy of a live message, however many of its filters match, but
 * retained values anew for each filter that is subscribed [MQTT-3.3.5-1] [MQTT-3.8.4-3]. A handler that has heard of a
 * topic is spared those: what it has is as new or newer.
 */
export class Subscriptions {
  private readonly entries = new Set<Entry>()

  /** @param onThrow  learns what a handler threw; the other handlers run all the same */
  constructor(private readonly onThrow: (error: unknown, topic: string) => void) {}

  add(filter: string, qos: 0 | 1, handler: BusHandler): SubscriptionEntry {
    const entry: Entry = { filter, qos, handler, heard: new Set() }
    this.entries.add(entry)
    return entry
  }

  /** @returns whether it was there and was the last with its filter */
  remove(entry: SubscriptionEntry): boolean {
    for (const known of this.entries) {
      if (known !== entry) continue
      this.entries.delete(known)
      return !this.filters().has(entry.filter)
    }
    return false
  }

  clear(): void {
    this.entries.clear()
  }

  /** Each filter once, with the highest quality of service that is asked of it. */
  filters(): Map<string, 0 | 1> {
    const filters = new Map<string, 0 | 1>()
    for (const { filter, qos } of this.entries) filters.set(filter, filters.get(filter) === 1 ? 1 : qos)
    return filters
  }

  /** A new connection: retained values are to arrive anew. */
  renew(): void {
    for (const { heard } of this.entries) heard.clear()
  }

  /** Runs each handler whose filter matches once. A payload that several of them see is owned by none. */
  deliver(message: BusMessage): void {
    const takers = [...this.entries].filter(entry => takes(entry, message))
    const seen = takers.length > 1 && message.owned ? { ...message, owned: false } : message
    for (const { handler } of takers) {
      try {
        handler(seen)
      } catch (error) {
        this.onThrow(error, message.topic)
      }
    }
  }
}

function takes({ filter, heard }: Entry, { topic, retained }: BusMessage): boolean {
  if (!matchesFilter(filter, topic)) return false
  if (heard.has(topic)) return !retained
  const [oldest] = heard
  if (heard.size >= MOST_TOPICS && oldest !== undefined) heard.delete(oldest)
  heard.add(topic)
  return true
}
