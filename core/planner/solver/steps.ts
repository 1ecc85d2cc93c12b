import { type Host, type Instance } from './instance.js'
import { dispatcherOf, hopCapacity } from './links.js'
import { type Selections } from './selections.js'
import { type Crossable, stageEnds } from './thresholds.js'

const UNKNOWN = -1

/** Which hops and stages are within a time, for every host of the selections. */
export class Steps {
  /** `[from * hosts + to]`: the rank of the largest crossing that the hop can carry, when it has been asked for. */
  private readonly ranks: Int16Array
  private readonly first: Uint8Array
  private readonly last: Uint8Array
  private readonly ends: (Int32Array | undefined)[] = []

  constructor(
    private readonly instance: Instance,
    private readonly selections: Selections,
    private readonly crossable: Crossable,
    private readonly withinMs: number,
  ) {
    const { hosts, links } = selections
    const { bytes, end } = instance
    const dispatcher = dispatcherOf(links)
    this.ranks = new Int16Array(hosts.length * hosts.length).fill(UNKNOWN)
    this.first = Uint8Array.from(hosts, host =>
      Number((bytes[0] as number) <= hopCapacity(links, dispatcher, host, withinMs)),
    )
    this.last = Uint8Array.from(hosts, host =>
      Number((bytes[end] as number) <= hopCapacity(links, host, dispatcher, withinMs)),
    )
  }

  /** Whether the input gets to a host in time, or the results from it. */
  canBegin(host: number): boolean {
    return this.first[host] === 1
  }

  canFinish(host: number): boolean {
    return this.last[host] === 1
  }

  /** Of two hosts that have no device in common. */
  rank(from: number, to: number): number {
    const { hosts, links } = this.selections
    const at = from * hosts.length + to
    const known = this.ranks[at] as number
    if (known !== UNKNOWN) return known
    const capacity = hopCapacity(links, hosts[from] as Host, hosts[to] as Host, this.withinMs)
    return (this.ranks[at] = this.crossable.rankOf(capacity))
  }

  /** Where stages on a host can end, as `stageEnds` says. */
  endsOf(host: number): Int32Array {
    return (this.ends[host] ??= stageEnds(this.instance, this.selections.hosts[host] as Host, this.withinMs))
  }
}
