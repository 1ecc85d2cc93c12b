import { type Host, type Instance } from './instance.js'
import { dispatcherOf, hopCapacity } from './links.js'
import { type Selections } from './selections.js'
import { type Crossable, stageEnds } from './thresholds.js'

/** Which hops and stages are within a time, for every host of the selections. */
export class Steps {
  /** `[from * hosts + to]`: the rank of the largest crossing that the hop can carry. */
  private readonly ranks: Int16Array
  private readonly first: Uint8Array
  private readonly last: Uint8Array
  private readonly ends: (Int32Array | undefined)[] = []

  constructor(
    private readonly instance: Instance,
    private readonly selections: Selections,
    crossable: Crossable,
    private readonly withinMs: number,
  ) {
    const { hosts, links, codes, parts, starts, all } = selections
    const { bytes, end } = instance
    const dispatcher = dispatcherOf(links)
    this.ranks = new Int16Array(hosts.length * hosts.length)
    this.first = Uint8Array.from(hosts, host =>
      Number((bytes[0] as number) <= hopCapacity(links, dispatcher, host, withinMs)),
    )
    this.last = Uint8Array.from(hosts, host =>
      Number((bytes[end] as number) <= hopCapacity(links, host, dispatcher, withinMs)),
    )
    for (const [i, from] of hosts.entries()) {
      const others = all - (codes[i] as number)
      for (let part = starts[others] as number; part < (starts[others + 1] as number); part++) {
        const to = parts[part] as number
        const capacity = hopCapacity(links, from, hosts[to] as Host, withinMs)
        this.ranks[i * hosts.length + to] = crossable.rankOf(capacity)
      }
    }
  }

  /** Whether the input gets to a host in time, or the results from it. */
  canBegin(host: number): boolean {
    return this.first[host] === 1
  }

  canFinish(host: number): boolean {
    return this.last[host] === 1
  }

  rank(from: number, to: number): number {
    return this.ranks[from * this.selections.hosts.length + to] as number
  }

  /** Where stages on a host can end, as `stageEnds` says. */
  endsOf(host: number): Int32Array {
    return (this.ends[host] ??= stageEnds(this.instance, this.selections.hosts[host] as Host, this.withinMs))
  }
}
