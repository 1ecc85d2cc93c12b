import { z } from 'zod'
import { type Bus, type BusHandler, type Subscription } from './bus.js'
import { type Delivery } from './delivery-rate.js'

/** How messages get to a receiver: by reference, straight to its runtime, or through the cluster's broker. */
export const LinkKind = z.enum(['local', 'peer', 'broker'])
export type LinkKind = z.infer<typeof LinkKind>

/** Where an actor or a dispatcher takes its frames; travels in plans and assignments. */
export const LinkAddress = z.object({
  topic: z.string(),
  /** The worker whose runtime listens; left out: whoever subscribes to the topic at the cluster's broker. */
  worker: z.string().optional(),
  /**
   * The way straight to it. The password is of one epoch and one inbox, and travels only in the desired state of its
   * worker and of those that send to it.
   */
  peer: z
    .object({
      url: z.string(),
      username: z.string(),
      password: z.string(),
      /** True: never through the cluster's broker. */
      only: z.boolean(),
    })
    .optional(),
})
export type LinkAddress = z.infer<typeof LinkAddress>

/** The inbox of one replica of a stage, and how much of the stage's frames it takes, beside the others. */
export const ReplicaAddress = LinkAddress.extend({ weight: z.number().positive().default(1) })
export type ReplicaAddress = z.infer<typeof ReplicaAddress>

const LOOPBACK_V4 = /^127(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/

/** @param host  a name or an address, also as URLs have it; a name that only looks like one of loopback is none */
export function isLoopback(host: string): boolean {
  return ['localhost', '::1', '[::1]'].includes(host) || LOOPBACK_V4.test(host)
}

/** A way to one receiver. */
export interface Outlet {
  /**
   * Which way messages go first, once that is known: within 2 s, or when a peer that can be reached has opened its inbox.
   * @throws LINK_UNREACHABLE: the peer cannot be reached, and it is the only way that is allowed
   */
  readonly settled: Promise<LinkKind>
  /** Which way the next message goes. */
  readonly way: LinkKind
  /** How fast it has delivered of late, where that is measured. */
  readonly delivery?: Delivery | undefined
  /**
   * Resolves when the message has left, not when it has arrived. Messages arrive in the order of the calls, or not at
   * all, as long as the way is the same.
   * @param message  at the start of an ArrayBuffer that holds nothing else, which is not the caller's from then on
   * @throws BUS_DISCONNECTED, BUS_CLOSED, PUBLISH_TIMEOUT, LINK_UNREACHABLE
   */
  send(message: Uint8Array): Promise<void>
  /** Idempotent. */
  close(): Promise<void>
}

/** Where messages come in. */
export interface Inlet extends Subscription {
  /**
   * Asks those that send straight here to wait; what is under way still comes. Senders through a broker that others use
   * too cannot be held: there, credits bound what comes.
   */
  hold(): void
  release(): void
}

/**
 * The data path: how frames get from a dispatcher through the stages and back (decisions D1, D2). It promises no
 * delivery: the dispatcher's ledger does (promise 1). Every form of link offers this and nothing else.
 */
export interface Link {
  listen(address: LinkAddress, handler: BusHandler): Promise<Inlet>
  open(address: LinkAddress): Outlet
}

/** The link that goes through a broker which both ends can reach. QoS 0, never retained. */
export function brokerLink(bus: Bus, options: { readonly sendTimeoutMs: number }): Link {
  return {
    listen: async ({ topic }, handler) => {
      const subscription = await bus.subscribe(topic, handler, { qos: 0 })
      return { close: () => subscription.close(), hold: () => undefined, release: () => undefined }
    },
    open: ({ topic }) => ({
      settled: Promise.resolve('broker' as const),
      way: 'broker' as const,
      send: message => bus.publish(topic, message, { qos: 0, timeoutMs: options.sendTimeoutMs }),
      close: () => Promise.resolve(),
    }),
  }
}
