import { Readable } from 'node:stream'
import aedesPersistence from 'aedes-persistence'
import { RetainedCap } from './retained-cap.js'
import { SessionQueue, type StoredPacket } from './session-queue.js'

interface ClientId {
  readonly id: string
}

interface SubscriptionOf {
  readonly clientId: string
}

interface RetainedPacket {
  readonly topic: string
  readonly payload: Uint8Array
}

/** The parts of Aedes' store that bounds are put on. */
interface Store {
  outgoingEnqueue(sub: SubscriptionOf, packet: StoredPacket): Promise<void>
  outgoingEnqueueCombi(subs: readonly SubscriptionOf[], packet: StoredPacket): Promise<void>
  outgoingUpdate(client: ClientId, packet: StoredPacket): Promise<void>
  outgoingClearMessageId(
    client: ClientId,
    packet: { messageId?: number | undefined },
  ): Promise<StoredPacket | undefined>
  outgoingStream(client: ClientId): Readable
  incomingStorePacket(client: ClientId, packet: StoredPacket): Promise<void>
  cleanSubscriptions(client: ClientId): Promise<unknown>
  cleanIncoming(client: ClientId): Promise<unknown>
  storeRetained(packet: RetainedPacket): Settled
}

interface Settled {
  then(done: () => void): void
}

/** The package gives a factory, and its types are those of the callbacks that it had before. */
const createStore = aedesPersistence as unknown as () => Store & object
const NOTHING = Buffer.alloc(0)
/**
 * Goes on within the call. Where a retained message waits even for a microtask, Aedes lets the sender's next one overtake
 * it, and then takes the one that was overtaken for a duplicate.
 */
const AT_ONCE: Settled = { then: done => done() }

export interface StoreLimits {
  readonly maxRetainedMessages: number
  readonly maxRetainedBytes: number
  readonly maxSessions: number
  readonly maxSessionBytes: number
}

/** Aedes' store in memory, with bounds on retained messages and on what it keeps for the clients' sessions. */
export interface BoundedStore {
  /** For Aedes. */
  readonly persistence: object
  readonly retained: RetainedCap
  /** Retained messages, messages of sessions, and whole sessions, that went because of the bounds. */
  readonly counts: {
    readonly retainedEvicted: number
    readonly sessionMessagesDropped: number
    readonly sessionsEvicted: number
  }
  /** A client is there, or has gone: sessions of absent clients are counted, and the oldest go. */
  arrived(client: { readonly id: string }): void
  left(client: { readonly id: string; readonly clean: boolean }): void
}

export function boundedStore(limits: StoreLimits): BoundedStore {
  const store = createStore()
  const retained = new RetainedCap(limits)
  const queues = new Map<string, SessionQueue>()
  const absent = new Set<string>()
  const counts = { retainedEvicted: 0, sessionMessagesDropped: 0, sessionsEvicted: 0 }
  const keep = store.storeRetained.bind(store)
  const cleanSubscriptions = store.cleanSubscriptions.bind(store)
  const storeIncoming = store.incomingStorePacket.bind(store)

  const enqueue = (id: string, packet: StoredPacket) => {
    const queue = queues.get(id) ?? new SessionQueue(limits.maxSessionBytes)
    queues.set(id, queue)
    counts.sessionMessagesDropped += queue.add({ ...packet, messageId: undefined })
  }

  const evict = async (id: string) => {
    absent.delete(id)
    counts.sessionsEvicted++
    counts.sessionMessagesDropped += queues.get(id)?.messages ?? 0
    await store.cleanSubscriptions({ id })
    await store.cleanIncoming({ id })
  }

  const bounded: Omit<Store, 'cleanIncoming'> = {
    outgoingEnqueue: async ({ clientId }, packet) => enqueue(clientId, owned(packet)),
    outgoingEnqueueCombi: async (subs, packet) => {
      const own = subs.length === 0 ? packet : owned(packet)
      for (const { clientId } of subs) enqueue(clientId, own)
    },
    outgoingUpdate: async ({ id }, packet) => queues.get(id)?.update(packet),
    outgoingClearMessageId: async ({ id }, { messageId }) => queues.get(id)?.acknowledge(messageId),
    outgoingStream: ({ id }) => Readable.from(queues.get(id)?.waiting() ?? []),
    // Only its id is asked for again [MQTT-4.3.3-2]; payloads would add up to a thousand times the largest packet.
    incomingStorePacket: (client, packet) => storeIncoming(client, { ...packet, payload: NOTHING }),
    cleanSubscriptions: client => {
      queues.delete(client.id)
      return cleanSubscriptions(client)
    },
    storeRetained: packet => {
      const gone = retained.note(packet.topic, packet.payload.byteLength)
      counts.retainedEvicted += gone.length
      // The store in memory is done when the call returns.
      void keep(owned(packet))
      for (const topic of gone) void keep({ topic, payload: NOTHING })
      return AT_ONCE
    },
  }
  Object.assign(store, bounded)

  return {
    persistence: store,
    retained,
    counts,
    arrived: ({ id }) => void absent.delete(id),
    left({ id, clean }) {
      absent.delete(id)
      if (clean) return
      absent.add(id)
      const [oldest] = absent
      if (absent.size > limits.maxSessions && oldest !== undefined) void evict(oldest)
    },
  }
}

/** A payload is a view of what came from the socket: a small one that is kept would keep 64 KiB. */
function owned<P extends { readonly payload?: Uint8Array }>(packet: P): P {
  const { payload } = packet
  if (payload === undefined || payload.buffer.byteLength <= 2 * payload.byteLength) return packet
  return { ...packet, payload: Buffer.from(new Uint8Array(payload).buffer) }
}
