import { type Delivery } from './delivery-rate.js'
import { type Link, type LinkKind, type Outlet, type ReplicaAddress } from './link.js'
import { replicaFor } from './schedule.js'

/** From the way that costs least to the one that costs most. */
const WAYS: readonly LinkKind[] = ['local', 'peer', 'broker']

/**
 * The ways from one sender to all replicas of a stage (decision D10). They do not wait for each other: what one replica
 * does not take holds no other's frames.
 */
export class FanOut {
  private readonly weights: readonly number[]
  private readonly outlets: readonly Outlet[]

  /**
   * @param stage  that the replicas are of, from 0
   * @param replicas  at least one
   */
  constructor(
    link: Link,
    private readonly stage: number,
    private readonly replicas: readonly ReplicaAddress[],
  ) {
    this.weights = replicas.map(({ weight }) => weight)
    this.outlets = replicas.map(replica => link.open(replica))
  }

  /**
   * Which way messages go first, as that of an `Outlet`; of several ways, the one that costs most.
   * @throws LINK_UNREACHABLE: a replica cannot be reached in the only way that is allowed
   */
  get settled(): Promise<LinkKind> {
    return Promise.all(this.outlets.map(({ settled }) => settled)).then(costliest)
  }

  /** Which way the next message goes; of several ways, the one that costs most. */
  get way(): LinkKind {
    return costliest(this.outlets.map(({ way }) => way))
  }

  /** How fast the ways to replicas on other workers have delivered of late, where that is measured. */
  get deliveries(): (Delivery & { readonly to: string })[] {
    return this.replicas.flatMap(({ worker: to }, i) => {
      const delivery = this.outlets[i]?.delivery
      return to === undefined || delivery === undefined ? [] : [{ to, ...delivery }]
    })
  }

  /** What the slowest of these ways does, in 10^6 bit/s; undefined where one of all ways is not measured. */
  get slowestMbps(): number | undefined {
    const { deliveries } = this
    if (deliveries.length < this.outlets.length) return undefined
    return Math.min(...deliveries.map(({ mbps }) => mbps))
  }

  /** The replica that takes the frame of a turn: an index of the replicas. */
  replicaOf(turn: number): number {
    return replicaFor(turn, this.stage, this.weights) ?? 0
  }

  /**
   * To the replica that takes the frame of this turn; otherwise as `send` of an `Outlet`.
   * @throws BUS_DISCONNECTED, BUS_CLOSED, PUBLISH_TIMEOUT, LINK_UNREACHABLE
   */
  async send(turn: number, message: Uint8Array): Promise<void> {
    await this.outlets[this.replicaOf(turn)]?.send(message)
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.outlets.map(outlet => outlet.close()))
  }
}

function costliest(ways: readonly LinkKind[]): LinkKind {
  return WAYS[Math.max(...ways.map(way => WAYS.indexOf(way)))] ?? 'broker'
}
