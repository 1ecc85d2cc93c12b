import { type Bus, type BusHandler, type Subscription } from './bus.js'

/** Where an actor or a dispatcher takes its frames; travels in plans and assignments. */
export interface LinkAddress {
  readonly topic: string
}

/** A way to one receiver. Messages arrive in the order of the calls to `send`, or not at all. */
export interface Outlet {
  /**
   * Resolves when the message has left, not when it has arrived.
   * @throws BUS_DISCONNECTED, BUS_CLOSED, PUBLISH_TIMEOUT
   */
  send(message: Uint8Array): Promise<void>
}

/**
 * The data path: how frames get from a dispatcher through the stages and back (decisions D1, D2). It promises no
 * delivery: the dispatcher's ledger does (promise 1). Every form of link offers this and nothing else.
 */
export interface Link {
  listen(address: LinkAddress, handler: BusHandler): Promise<Subscription>
  open(address: LinkAddress): Outlet
}

/** The link that goes through a broker which both ends can reach. QoS 0, never retained. */
export function brokerLink(bus: Bus, options: { readonly sendTimeoutMs: number }): Link {
  return {
    listen: (address, handler) => bus.subscribe(address.topic, handler, { qos: 0 }),
    open: address => ({
      send: message => bus.publish(address.topic, message, { qos: 0, timeoutMs: options.sendTimeoutMs }),
    }),
  }
}
