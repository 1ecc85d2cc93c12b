import { Readable } from 'node:stream'
import aedesPersistence from 'aedes-persistence'
import { HeldPublishes } from './held-publishes.js'
import { RetainedCap } from './retained-cap.js'
import { type StoredPacket } from './session-queue.js'
import { type SessionLimits, Sessions } from './sessions.js'

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

export interface StoreLimits extends SessionLimits {
  readonly maxRetainedMessages: number
  readonly maxRetainedBytes: number
}

/** Aedes' store in memory, with bounds on retained messages and on what it keeps for the clients' sessions. */
export interface BoundedStore {
  /** For Aedes. */
  readonly persistence: object
  readonly retained: RetainedCap
  readonly sessions: Sessions
}

/** @param held  publishers that wait for durable clients */
export function boundedStore(limits: StoreLimits, held = new HeldPublishes()): BoundedStore {
  const store = createStore()
  const retained = new RetainedCap(limits)
  const sessions = new Sessions(limits, id => {
    void store.cleanSubscriptions({ id })
    void store.cleanIncoming({ id })
  })
  Object.assign(store, sessionMethods(store, sessions, held), { storeRetained: keeper(store, retained) })
  return { persistence: store, retained, sessions }
}

function sessionMethods(
  store: Store,
  sessions: Sessions,
  held: HeldPublishes,
): Omit<Store, 'cleanIncoming' | 'storeRetained'> {
  const cleanSubscriptions = store.cleanSubscriptions.bind(store)
  const storeIncoming = store.incomingStorePacket.bind(store)
  return {
    outgoingEnqueue: async ({ clientId }, packet) => sessions.enqueue(clientId, owned(packet)),
    outgoingEnqueueCombi: async (subs, packet) => {
      if (subs.length === 0) return
      const own = owned(packet)
      for (const { clientId } of subs) sessions.enqueue(clientId, { ...own, ...held.taker(clientId, packet) })
    },
    outgoingUpdate: async ({ id }, packet) => sessions.get(id)?.update(packet),
    outgoingClearMessageId: async ({ id }, { messageId }) => {
      const packet = sessions.get(id)?.acknowledge(messageId)
      packet?.settle?.(true)
      return packet
    },
    outgoingStream: ({ id }) => Readable.from(sessions.get(id)?.waiting() ?? []),
    // Only its id is asked for again [MQTT-4.3.3-2]; payloads would add up to a thousand times the largest packet.
    incomingStorePacket: (client, packet) => storeIncoming(client, { ...packet, payload: NOTHING }),
    cleanSubscriptions: client => {
      sessions.forget(client.id)
      held.forget(client.id)
      return cleanSubscriptions(client)
    },
  }
}

function keeper(store: Store, retained: RetainedCap): Store['storeRetained'] {
  const keep = store.storeRetained.bind(store)
  return packet => {
    const gone = retained.note(packet.topic, packet.payload.byteLength)
    // The store in memory is done when the call returns.
    void keep(owned(packet))
    for (const topic of gone) void keep({ topic, payload: NOTHING })
    return AT_ONCE
  }
}

/** A payload is a view of what came from the socket: a small one that is kept would keep 64 KiB. */
function owned<P extends { readonly payload?: Uint8Array }>(packet: P): P {
  const { payload } = packet
  if (payload === undefined || payload.buffer.byteLength <= 2 * payload.byteLength) return packet
  return { ...packet, payload: Buffer.from(new Uint8Array(payload).buffer) }
}
