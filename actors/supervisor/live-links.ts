import { type Actual } from '../../core/control/index.js'

export type LinkReport = NonNullable<Actual['links']>[number]

interface Measured extends LinkReport {
  /** What the other links of both workers did then, as `share` says. */
  readonly shares: readonly [number, number]
}

/** What a link was found to do by the frames that go over it. */
interface Live {
  readonly from: string
  readonly to: string
  readonly mbps: number
  /** When frames last bore it out. */
  readonly at: number
}

/** A link counts as another when it does so many times as much, or as little. */
const OTHERWISE = 1.3
/** Nobody sends frames over a link that is slow: after so long without any it may have become fast again. */
const UNCONFIRMED_MS = 30_000

/**
 * The links between workers, as they were measured for themselves, and as frames have shown since. A measurement that is
 * newer than the frames counts for more than they.
 */
export class LiveLinks {
  private readonly measured = new Map<string, ReadonlyMap<string, Measured>>()
  private readonly live = new Map<string, Live>()
  /** Links that seem to do more than is known of them, which a measurement has yet to show, or has not shown. */
  private readonly doubts = new Map<string, 'open' | 'answered'>()

  constructor(private readonly now: () => number) {}

  /** A worker says what it has measured. What it leaves out it may be about to measure again. */
  report(from: string, links: readonly LinkReport[]): void {
    const known = new Map(this.measured.get(from))
    for (const link of links) {
      const { to, mbps } = link
      if (known.get(to)?.mbps === mbps) continue
      for (const [one, other] of [[from, to] as const, [to, from] as const]) this.answer(one, other, mbps)
      known.set(to, { ...link, shares: [this.share(from), this.share(to)] })
    }
    this.measured.set(from, known)
  }

  /**
   * Frames went over a link, as if it did so many 10^6 bit/s. What is about as much as was known changes nothing.
   * @param isSure  they show it; otherwise what is more is to be measured, once, and what is less means nothing
   */
  delivered(from: string, to: string, mbps: number, isSure = true): void {
    const key = keyOf(from, to)
    const known = this.of(from, to)
    const isOther = known === undefined || ratioOf(known, mbps) > OTHERWISE
    const live = this.live.get(key)
    const at = this.now()
    if (!isOther) this.live.set(key, { from, to, mbps: known, at })
    else if (isSure) {
      this.live.set(key, { from, to, mbps, at })
      this.doubts.delete(key)
    } else {
      if (live !== undefined) this.live.set(key, { ...live, at })
      if (known !== undefined && mbps > known && !this.doubts.has(key)) this.doubts.set(key, 'open')
    }
  }

  /** It is another process, perhaps on another machine. */
  forget(worker: string): void {
    this.measured.delete(worker)
    for (const [key, { from, to }] of this.live) {
      if (from === worker || to === worker) this.live.delete(key)
    }
    for (const key of this.doubts.keys()) if (key.split(' ').includes(worker)) this.doubts.delete(key)
  }

  /**
   * As it counts now, in 10^6 bit/s: where no frame has gone over it since it was measured, as the other links of both workers
   * let expect; undefined: nobody knows.
   */
  of(from: string, to: string): number | undefined {
    const live = this.live.get(keyOf(from, to))
    const measured = this.measurement(from, to)
    if (live !== undefined || measured === undefined) return live?.mbps
    return measured.mbps * Math.min(...this.sharesSince(from, to))
  }

  /** The links of a worker as they count now; those that no frame went over as the others of both workers let expect. */
  linksOf(worker: string): LinkReport[] {
    const known = new Set(this.measured.get(worker)?.keys())
    for (const { from, to } of this.live.values()) if (from === worker) known.add(to)
    return [...known].flatMap(to => {
      const measurement = this.measurement(worker, to)
      const mbps = this.of(worker, to)
      if (measurement === undefined || mbps === undefined) return []
      const { rttMs, runs } = measurement
      return [{ to, mbps, rttMs, ...(runs === undefined ? {} : { runs }) }]
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

  /**
   * Whether a link is to be measured again: it seems faster than is known; or others of one of its workers have become
   * faster since it was measured; or frames have shown something else than was measured, and none has gone over it for a
   * while.
   */
  isDoubtful(from: string, to: string): boolean {
    const keys = [keyOf(from, to), keyOf(to, from)]
    if (keys.some(key => this.doubts.get(key) === 'open')) return true
    const lives = keys.flatMap(key => this.live.get(key) ?? [])
    if (lives.length === 0) return this.sharesSince(from, to).some(since => since > OTHERWISE)
    return lives.some(live => {
      if (this.now() - live.at < UNCONFIRMED_MS) return false
      return live.mbps !== this.measurement(from, to)?.mbps
    })
  }

  /** So many times as much as when a link was measured do the other links of its workers now. */
  private sharesSince(from: string, to: string): [number, number] {
    const measured = this.measurement(from, to)
    if (measured === undefined) return [1, 1]
    const [first, second] = measured.shares
    const [own, other] = measured.from === from ? [first, second] : [second, first]
    return [this.share(from) / own, this.share(to) / other]
  }

  /** Of a measurement: what frames have shown before it counts no more. */
  private answer(from: string, to: string, mbps: number): void {
    const key = keyOf(from, to)
    const known = this.live.get(key)?.mbps ?? this.measurement(from, to)?.mbps
    this.live.delete(key)
    if (known === undefined || ratioOf(known, mbps) > OTHERWISE) this.doubts.delete(key)
    else if (this.doubts.has(key)) this.doubts.set(key, 'answered')
  }

  /** Which of the two has made it says nothing. */
  private measurement(from: string, to: string): (Measured & { readonly from: string }) | undefined {
    const [own, other] = [this.measured.get(from)?.get(to), this.measured.get(to)?.get(from)]
    if (own !== undefined) return { ...own, from }
    return other && { ...other, from: to }
  }
}

function ratioOf(a: number, b: number): number {
  return Math.max(a / b, b / a)
}

function keyOf(from: string, to: string): string {
  return `${from} ${to}`
}
