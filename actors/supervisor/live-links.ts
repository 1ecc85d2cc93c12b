import { type Actual } from '../../core/control/index.js'

export type LinkReport = NonNullable<Actual['links']>[number]

/** What a link was found to do by the frames that go over it. */
interface Live {
  readonly from: string
  readonly to: string
  readonly mbps: number
  /** When frames last bore it out. */
  readonly at: number
}

/** Nobody sends frames over a link that is slow: after so long without any it may have become fast again. */
const UNCONFIRMED_MS = 30_000

/**
 * The links between workers, as they were measured for themselves, and as frames have shown since. A measurement that is
 * newer than the frames counts for more than they.
 */
export class LiveLinks {
  private readonly measured = new Map<string, ReadonlyMap<string, LinkReport>>()
  private readonly live = new Map<string, Live>()

  constructor(private readonly now: () => number) {}

  /** A worker says what it has measured. What it leaves out it may be about to measure again. */
  report(from: string, links: readonly LinkReport[]): void {
    const before = this.measured.get(from) ?? new Map<string, LinkReport>()
    for (const { to, mbps } of links) {
      if (before.get(to)?.mbps !== mbps)
        [keyOf(from, to), keyOf(to, from)].forEach(key => this.live.delete(key))
    }
    this.measured.set(from, new Map([...before, ...links.map(link => [link.to, link] as const)]))
  }

  /** Frames went over a link, which does so many 10^6 bit/s. */
  delivered(from: string, to: string, mbps: number): void {
    this.live.set(keyOf(from, to), { from, to, mbps, at: this.now() })
  }

  /** It is another process, perhaps on another machine. */
  forget(worker: string): void {
    this.measured.delete(worker)
    for (const [key, { from, to }] of this.live) {
      if (from === worker || to === worker) this.live.delete(key)
    }
  }

  /** As it counts now, in 10^6 bit/s; undefined: nobody knows. */
  of(from: string, to: string): number | undefined {
    return this.live.get(keyOf(from, to))?.mbps ?? this.measurement(from, to)?.mbps
  }

  /** The links of a worker as they count now; those that no frame went over as the others of both workers let expect. */
  linksOf(worker: string): LinkReport[] {
    const known = new Set(this.measured.get(worker)?.keys())
    for (const { from, to } of this.live.values()) if (from === worker) known.add(to)
    return [...known].flatMap(to => {
      const measurement = this.measurement(worker, to)
      if (measurement === undefined) return []
      const live = this.live.get(keyOf(worker, to))?.mbps
      return [
        { ...measurement, to, mbps: live ?? measurement.mbps * Math.min(this.share(worker), this.share(to)) },
      ]
    })
  }

  /** What part its best link of late does of what was measured of that: less than 1 where its network has become slower. */
  share(worker: string): number {
    const shares = [...this.live.values()].flatMap(({ from, to, mbps }) => {
      const measurement = from === worker || to === worker ? this.measurement(from, to) : undefined
      return measurement === undefined ? [] : [mbps / measurement.mbps]
    })
    return shares.length === 0 ? 1 : Math.min(1, Math.max(...shares))
  }

  /** Whether frames have shown something else than was measured, and none has gone over the link for a while. */
  isDoubtful(from: string, to: string): boolean {
    return [this.live.get(keyOf(from, to)), this.live.get(keyOf(to, from))].some(live => {
      if (live === undefined || this.now() - live.at < UNCONFIRMED_MS) return false
      return live.mbps !== this.measurement(from, to)?.mbps
    })
  }

  /** Which of the two has made it says nothing. */
  private measurement(from: string, to: string): LinkReport | undefined {
    return this.measured.get(from)?.get(to) ?? this.measured.get(to)?.get(from)
  }
}

function keyOf(from: string, to: string): string {
  return `${from} ${to}`
}
