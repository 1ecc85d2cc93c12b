import { type Client } from 'aedes'
import aedesPersistence from 'aedes-persistence'

interface Queued {
  messages: number
  bytes: number
}

interface SubscriptionOf {
  readonly clientId: string
}

interface StoredPacket {
  readonly payload: Uint8Array | string
  readonly messageId?: number | undefined
}

/** The parts of Aedes' store that bounds are put on. */
interface Store {
  outgoingEnqueueCombi(subs: readonly SubscriptionOf[], packet: StoredPacket): Promise<void>
  outgoingClearMessageId(
    client: { id: string },
    packet: { messageId?: undefined },
  ): Promise<StoredPacket | undefined>
  cleanSubscriptions(client: { id: string }): Promise<unknown>
  storeRetained(packet: object): Promise<void>
  outgoingStream(client: { id: string }): AsyncIterable<StoredPacket>
}

/** The package gives a factory, and its types are those of the callbacks that it had before. */
const createStore = aedesPersistence as unknown as () => Store & object

/** Aedes' store in memory, with bounds on what it keeps for clients that are not there. */
export interface SessionCap {
  readonly persistence: object
  /** Messages, and whole sessions, that went because of the bounds. */
  readonly dropped: number
  readonly evicted: number
  /** A client has gone; if it has a session, that begins to count. */
  left(client: Client): void
  removeRetained(topic: string): void
}

export function boundedPersistence(limits: {
  readonly maxSessions: number
  readonly maxSessionBytes: number
}): SessionCap {
  const persistence = createStore()
  const absent = new Map<string, Queued>()
  const counts = { dropped: 0, evicted: 0 }
  const store = persistence.outgoingEnqueueCombi.bind(persistence)

  persistence.outgoingEnqueueCombi = async (subs, packet) => {
    await store(subs, packet)
    for (const { clientId } of subs) await note(clientId, packet.payload.length)
  }

  /** A message that waits for a client has no packet id yet, and the first without one is the oldest. */
  async function note(id: string, size: number): Promise<void> {
    const queued = absent.get(id)
    if (queued === undefined) return
    queued.bytes += size
    queued.messages++
    while (queued.bytes > limits.maxSessionBytes && queued.messages > 0) {
      const oldest = await persistence.outgoingClearMessageId({ id }, {})
      if (oldest === undefined) return
      queued.bytes -= oldest.payload.length
      queued.messages--
      counts.dropped++
    }
  }

  async function evict(id: string): Promise<void> {
    absent.delete(id)
    counts.evicted++
    await persistence.cleanSubscriptions({ id })
    while ((await persistence.outgoingClearMessageId({ id }, {})) !== undefined) counts.dropped++
  }

  return {
    persistence,
    get dropped() {
      return counts.dropped
    },
    get evicted() {
      return counts.evicted
    },
    left(client) {
      absent.delete(client.id)
      if (client.clean) return
      absent.set(client.id, { messages: 0, bytes: 0 })
      const [oldest] = absent.keys()
      if (absent.size > limits.maxSessions && oldest !== undefined) void evict(oldest)
    },
    removeRetained(topic) {
      void persistence.storeRetained({ topic, payload: Buffer.alloc(0), retain: true })
    },
  }
}
