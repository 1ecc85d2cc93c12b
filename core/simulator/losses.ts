import { type Resource } from '../planner/objective.js'
import { type ResourceOutage } from './faults.js'
import { type Outage } from './timeline.js'

/** What an outage of a device or a link did. Times are ms since the beginning. */
export interface Recovery {
  readonly resource: Resource
  readonly at: number
  /** Infinity: it did not come back. */
  readonly until: number
  readonly noticedAt: number
  /** Frames that were in it, or came to it before senders avoided it. */
  readonly lost: number
  /** When the last of them had ended; left out where it lost none. */
  readonly settledAt?: number
}

/** Which frames were lost to which outage, until they end. */
export class Losses {
  private readonly lost = new Map<Outage, Set<number>>()
  private readonly outagesOf = new Map<number, Set<Outage>>()
  private readonly settledAt = new Map<Outage, number>()

  add(sequence: number, outage: Outage): void {
    addTo(this.lost, outage, sequence)
    addTo(this.outagesOf, sequence, outage)
  }

  ended(sequence: number, at: number): void {
    for (const outage of this.outagesOf.get(sequence) ?? []) this.settledAt.set(outage, at)
    this.outagesOf.delete(sequence)
  }

  /** Of outages that began before the end. */
  recoveries(outages: readonly ResourceOutage[], detectMs: number, endAt: number): Recovery[] {
    const begun = outages.filter(({ outage }) => outage.at < endAt)
    return begun.map(({ resource, outage }) => {
      const settledAt = this.settledAt.get(outage)
      return {
        resource,
        at: outage.at,
        until: outage.until,
        noticedAt: outage.at + detectMs,
        lost: this.lost.get(outage)?.size ?? 0,
        ...(settledAt === undefined ? {} : { settledAt }),
      }
    })
  }
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key) ?? new Set()
  set.add(value)
  sets.set(key, set)
}
