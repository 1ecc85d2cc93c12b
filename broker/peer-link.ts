import { type Bus, type BusHandler, type Subscription } from '../core/bus.js'
import { brokerLink, type Inlet, type Link, type LinkAddress, type Outlet } from '../core/link.js'
import { type InboxBroker } from './inbox-broker.js'
import { type PeerAddress, PeerOutlet, type PeerOutletOptions } from './peer-outlet.js'

export interface PeerLinkParts extends PeerOutletOptions {
  /** The worker whose runtime this is. */
  readonly worker: string
  /** The connection to the cluster's broker. */
  readonly bus: Bus
  /** Left out: nobody can send straight here. */
  readonly inbox?: InboxBroker | undefined
}

/**
 * The links of one runtime (decision D2): by reference to its own actors, straight to those of other runtimes, and
 * through the cluster's broker where that is not possible.
 */
export class PeerLink implements Link {
  private readonly local = new Map<string, BusHandler>()
  private readonly broker: Link
  private readonly outletOptions: PeerOutletOptions

  constructor(private readonly parts: PeerLinkParts) {
    this.broker = brokerLink(parts.bus, parts)
    this.outletOptions = { ...parts, memory: parts.inbox?.memory }
  }

  async listen(address: LinkAddress, handler: BusHandler): Promise<Inlet> {
    const { topic, peer } = address
    const { inbox } = this.parts
    const straight = peer === undefined ? undefined : inbox?.open(topic, peer, handler)
    this.local.set(topic, handler)
    const others: Subscription[] = straight === undefined ? [] : [straight]
    const close = async () => {
      if (this.local.get(topic) === handler) this.local.delete(topic)
      await Promise.all(others.map(one => one.close()))
    }
    try {
      // Only the peers that it is for know the inbox, but everybody who may publish at the broker knows the topic.
      if (straight === undefined || peer?.only !== true)
        others.push(await this.broker.listen(address, handler))
    } catch (error) {
      await close()
      throw error
    }
    return {
      close,
      hold: () => straight?.hold(),
      release: () => straight?.release(),
    }
  }

  open(address: LinkAddress): Outlet {
    const { worker } = this.parts
    if (address.worker === worker) return this.openLocal(address)
    const broker = this.broker.open(address)
    return isPeer(address) ? new PeerOutlet(address, broker, this.outletOptions) : broker
  }

  /** To an actor of this runtime, by reference; one that is not there loses the message, as a subscriber would. */
  private openLocal({ topic }: LinkAddress): Outlet {
    return {
      settled: Promise.resolve('local' as const),
      way: 'local',
      send: message => {
        this.local.get(topic)?.({ topic, payload: message, owned: true, retained: false })
        return Promise.resolve()
      },
      close: () => Promise.resolve(),
    }
  }
}

function isPeer(address: LinkAddress): address is PeerAddress {
  return address.peer !== undefined
}
