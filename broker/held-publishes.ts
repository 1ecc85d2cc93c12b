import { matchesFilter } from '../core/topic-filter.js'
import { type StoredPacket } from './session-queue.js'

/** What the ids of clients begin with whose acknowledgement publishers wait for. */
export const DURABLE_ID = 'millrace-durable-'

/** A message of quality 1 on its way into the broker. */
export interface Publish {
  topic: string
  payload: Buffer | string
  retain: boolean
}

interface Held {
  /** Durable clients that have not acknowledged it. */
  takers: number
  readonly settle: (taken: boolean) => void
}

/** Nobody subscribes to it, not even with `#`. */
const NOWHERE = '$SYS/millrace/taken'

/**
 * Aedes acknowledges a message before it hands it out. Where a durable client takes it, the message is handed out first,
 * and acknowledged when that client has acknowledged it: what then goes the usual way is empty, and to nobody.
 */
export class HeldPublishes {
  private readonly filters = new Map<string, Set<string>>()
  private readonly held = new WeakMap<object, Held>()

  subscribed(clientId: string, filter: string): void {
    if (!clientId.startsWith(DURABLE_ID)) return
    this.filters.set(clientId, (this.filters.get(clientId) ?? new Set()).add(filter))
  }

  /** Its session has ended. */
  forget(clientId: string): void {
    this.filters.delete(clientId)
  }

  /** Whether some durable client takes messages of this topic. */
  concerns(topic: string): boolean {
    for (const filters of this.filters.values()) {
      for (const filter of filters) if (matchesFilter(filter, topic)) return true
    }
    return false
  }

  /**
   * @param publish  hands the message out, and calls back when it is in the queues of all sessions
   * @param done  lets the sender be acknowledged, or with an error be disconnected, so that it sends again
   */
  hold<P extends Publish>(
    packet: P,
    publish: (packet: P, then: (error?: Error) => void) => void,
    done: (error?: Error) => void,
  ): void {
    let settled = false
    const settle = (taken: boolean) => {
      if (settled) return
      settled = true
      Object.assign(packet, { topic: NOWHERE, payload: Buffer.alloc(0), retain: false })
      done(taken ? undefined : new Error('there was no room to keep the message'))
    }
    // Of its own: that it is the same one is how it is known again.
    const payload = Buffer.from(packet.payload)
    const held: Held = { takers: 0, settle }
    this.held.set(payload, held)
    publish({ ...packet, payload }, error => {
      if (error !== undefined && error !== null) settle(false)
      else if (held.takers === 0) settle(true)
    })
  }

  /** What is kept with a message in the queue of a session. */
  taker(clientId: string, { payload }: StoredPacket): Pick<StoredPacket, 'settle'> {
    const held = payload === undefined ? undefined : this.held.get(payload)
    if (held === undefined || !clientId.startsWith(DURABLE_ID)) return {}
    held.takers++
    return {
      settle: taken => {
        held.takers--
        if (!taken || held.takers === 0) held.settle(taken)
      },
    }
  }
}
