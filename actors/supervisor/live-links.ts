import { type Actual } from '../../core/control/index.js'

export type LinkReport = NonNullable<Actual['links']>[number]

/** What a link was found to do. */
interface Figure {
  readonly mbps: number
  /** When that was last borne out. */
  readonly at: number
  /** What the links of both workers did then, as `share` says. */
  readonly shares: readonly [number, number]
}

interface Measured extends Figure, Omit<LinkReport, 'mbps'> {
  /** As it was told. */
  readonly told: number
  /** What it does where nothing makes the network slower. */
  readonly bestMbps: number
}

/** What messages of frames show. */
export interface Shown {
  /** 10^6 bit/s: as if the link did so much. */
  readonly mbps: number
  /** Whether they show it; otherwise what is more is to be measured, once, and what is less means nothing. Default true. */
  readonly isSure?: boolean
  /** How long ago. Default 0. */
  readonly agoMs?: number
}

/** By the frames that go over it. */
interface Live extends Figure {
  readonly from: string
  readonly to: string
  /** When they showed it first. */
  readonly foundAt: number
}

/** A link counts as another when it does so many times as much, or as little. */
const OTHERWISE = 1.3
/** What was found of a worker's links within so long of the last that was found counts together: all that is older is history. */
const TOGETHER_MS = 10_000
/** Measuring takes time of processors that frames need: a link is not doubted again before so long. */
const DOUBT_EVERY_MS = 30_000
/** For so long after frames what is measured of a link is only what they left of it. */
const USED_MS = 5_000
/** Nobody sends frames over a link that is slow: after so long without any it may have become fast again. */
const UNCONFIRMED_MS = 30_000

/**
 * The links between workers, as they were measured for themselves, and as frames have shown since. A measurement that is
 * newer than the frames counts for more than they; but beside frames a link is measured to do less than it does, and only
 * what is more than was known counts.
 */
export class LiveLinks {
  private readonly measured = new Map<string, ReadonlyMap<string, Measured>>()
  private readonly live = new Map<string, Live>()
  /** Links that seem to do something else than is known of them, which a measurement has yet to show, or has not shown. */
  private readonly doubts = new Map<string, 'open' | 'answered'>()
  /** When they were answered last. */
  private readonly answeredAt = new Map<string, number>()
  /** What was known of links that are expected to be slower, since another of their workers' was found to be, and since when. */
  private readonly expected = new Map<string, { readonly before: number; readonly at: number }>()
  /** When frames went over them last. */
  private readonly usedAt = new Map<string, number>()
  /** Of workers, the last of whose links that frames have surely shown to be slower: what part of its best it does, and when. */
  private readonly slowed = new Map<string, { readonly share: number; readonly at: number }>()
  /** Of workers, since something was found last. */
  private readonly shares = new Map<string, number>()

  constructor(private readonly now: () => number) {}

  /** A worker says what it has measured. What it leaves out it may be about to measure again. */
  report(from: string, links: readonly LinkReport[]): void {
    const known = new Map(this.measured.get(from))
    for (const link of links) {
      const { to } = link
      const before = known.get(to)
      if (before?.told === link.mbps) continue
      const least = this.isUsed(from, to) ? this.of(from, to) : undefined
      if (least !== undefined && before !== undefined && link.mbps < least) {
        known.set(to, { ...before, told: link.mbps })
        for (const key of [keyOf(from, to), keyOf(to, from)]) this.answered(key)
        continue
      }
      const mbps = Math.max(link.mbps, least ?? 0)
      for (const [one, other] of [[from, to] as const, [to, from] as const]) this.answer(one, other, mbps)
      const slowed = Math.min(this.share(from), this.share(to))
      const bestMbps = Math.max(mbps, this.measurement(from, to)?.bestMbps ?? mbps / slowed)
      const figure = { ...link, mbps, told: link.mbps, bestMbps, at: this.now() }
      known.set(to, { ...figure, shares: [1, 1] })
      this.measured.set(from, known)
      this.shares.clear()
      // As it is with this.
      known.set(to, { ...figure, shares: [this.share(from), this.share(to)] })
    }
    this.measured.set(from, known)
  }

  /** Frames go over a link. */
  used(from: string, to: string): void {
    this.usedAt.set(keyOf(from, to), this.now())
  }

  /** Frames went over a link. What is about as much as was known changes nothing. */
  delivered(from: string, to: string, shown: Shown): void {
    const key = keyOf(from, to)
    const known = this.of(from, to)
    const isSlower = known !== undefined && shown.mbps < known
    const { mbps, isSure = true, agoMs = 0 } = isSlower ? this.believed(from, to, known, shown) : shown
    this.used(from, to)
    const expected = this.expected.get(key)
    if (expected !== undefined && this.now() - agoMs < expected.at) return
    const isOther = known === undefined || ratioOf(known, mbps) > OTHERWISE
    if (!isOther) this.bearOut(from, to, known)
    else if (isSure) {
      this.bearOut(from, to, mbps, this.now())
      this.doubts.delete(key)
      this.expected.delete(key)
      if (isSlower && shown.isSure !== false) {
        const best = this.measurement(from, to)?.bestMbps
        const slowed = best === undefined ? undefined : { share: mbps / best, at: this.now() }
        for (const worker of [from, to]) if (slowed !== undefined) this.slowed.set(worker, slowed)
        this.expectOthers(from, to)
      }
    } else if (known !== undefined) {
      if (mbps > known) this.doubt(key)
      // It is not as was expected, and may be as it was.
      if (mbps > known && expected !== undefined) this.bearOut(from, to, Math.min(mbps, expected.before))
      else if (this.live.has(key)) this.bearOut(from, to, known)
    }
  }

  /** Whether some are to be measured before more is made of what is known. */
  get hasDoubts(): boolean {
    return [...this.doubts.values()].includes('open')
  }

  /** It is another process, perhaps on another machine. */
  forget(worker: string): void {
    this.measured.delete(worker)
    this.slowed.delete(worker)
    this.shares.clear()
    for (const [key, { from, to }] of this.live) {
      if (from === worker || to === worker) this.live.delete(key)
    }
    for (const ofLinks of [this.doubts, this.answeredAt, this.expected, this.usedAt]) {
      for (const key of ofLinks.keys()) if (key.split(' ').includes(worker)) ofLinks.delete(key)
    }
  }

  /**
   * As it counts now, in 10^6 bit/s: where it has not been seen for a while, as the other links of both workers let expect;
   * undefined: nobody knows.
   */
  of(from: string, to: string): number | undefined {
    const key = keyOf(from, to)
    const figure = this.live.get(key) ?? this.measurement(from, to)
    if (figure === undefined) return undefined
    const mbps = figure.mbps * Math.min(...this.sharesSince(from, to, figure))
    return Math.min(mbps, this.expected.get(key)?.before ?? Infinity)
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

  /** What part its best link of late does of what that did at best: less than 1 where its network has become slower. */
  share(worker: string): number {
    const known = this.shares.get(worker)
    if (known !== undefined) return known
    const found = this.foundOf(worker)
    const last = Math.max(...found.map(({ at }) => at))
    const shares = found.filter(({ at }) => last - at < TOGETHER_MS).map(({ share }) => share)
    const share = shares.length === 0 ? 1 : Math.min(1, Math.max(...shares))
    this.shares.set(worker, share)
    return share
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
    const measured = this.measurement(from, to)
    if (lives.length === 0 && measured !== undefined)
      return this.sharesSince(from, to, measured).some(since => since > OTHERWISE)
    return lives.some(live => {
      if (this.now() - live.at < UNCONFIRMED_MS) return false
      return live.mbps !== measured?.mbps
    })
  }

  /** @returns whether it will be measured */
  private doubt(key: string): boolean {
    const isSoon = this.now() - (this.answeredAt.get(key) ?? -Infinity) < DOUBT_EVERY_MS
    if (!isSoon && !this.doubts.has(key)) this.doubts.set(key, 'open')
    return this.doubts.get(key) === 'open'
  }

  /**
   * Where a link has become slower, so may the others of its workers that frames go over, which too few show soon: they are
   * expected to be, until they have been measured.
   */
  private expectOthers(from: string, to: string): void {
    const others = [...this.live].filter(([key, one]) => {
      const isNew = this.now() - one.foundAt < TOGETHER_MS
      return !isNew && [from, to].some(end => end === one.from || end === one.to) && this.doubt(key)
    })
    for (const [key] of others) this.live.delete(key)
    this.shares.clear()
    const isSlower = (one: Live) => (this.of(one.from, one.to) ?? Infinity) < one.mbps
    const slower = new Set(others.filter(([, one]) => isSlower(one)))
    for (const other of others) {
      const [key, one] = other
      if (slower.has(other)) this.expected.set(key, { before: one.mbps, at: this.now() })
      else this.live.set(key, one)
    }
    this.shares.clear()
  }

  /** What makes a link seem slower is believed as far as another of its workers became slower of late, since this was found. */
  private believed(from: string, to: string, known: number, shown: Shown): Shown {
    const measurement = this.measurement(from, to)
    if (shown.isSure !== false || measurement === undefined) return shown
    const foundAt = this.live.get(keyOf(from, to))?.foundAt ?? measurement.at
    const since = [from, to]
      .flatMap(worker => this.slowed.get(worker) ?? [])
      .filter(({ at }) => at > foundAt && this.now() - at < TOGETHER_MS)
    if (since.length === 0) return shown
    const least = measurement.bestMbps * Math.min(...since.map(({ share }) => share))
    const mbps = Math.max(shown.mbps, least)
    return ratioOf(known, mbps) > OTHERWISE && mbps < known ? { ...shown, mbps, isSure: true } : shown
  }

  /** In either direction. */
  private isUsed(from: string, to: string): boolean {
    return [keyOf(from, to), keyOf(to, from)].some(
      key => this.now() - (this.usedAt.get(key) ?? -Infinity) < USED_MS,
    )
  }

  private bearOut(from: string, to: string, mbps: number, found?: number): void {
    const key = keyOf(from, to)
    const foundAt = found ?? this.live.get(key)?.foundAt ?? -Infinity
    const figure = { from, to, mbps, at: this.now(), foundAt }
    this.live.set(key, { ...figure, shares: [1, 1] })
    this.shares.clear()
    // As it is with this.
    this.live.set(key, { ...figure, shares: [this.share(from), this.share(to)] })
  }

  /** So many times as much as when this was found of a link do the links of its workers now. */
  private sharesSince(from: string, to: string, { shares: [own, other] }: Figure): [number, number] {
    return [this.share(from) / own, this.share(to) / other]
  }

  /** Of the links of a worker, by frames and by measurement: what part of their best they did, and when. */
  private foundOf(worker: string): { readonly share: number; readonly at: number }[] {
    const lives = [...this.live.values()].filter(({ from, to }) => from === worker || to === worker)
    const byFrames = lives.flatMap(({ from, to, mbps, at }) => {
      const best = this.measurement(from, to)?.bestMbps
      return best === undefined ? [] : [{ share: mbps / best, at }]
    })
    const own = [...(this.measured.get(worker)?.values() ?? [])]
    const ofOthers = [...this.measured.values()].flatMap(links => links.get(worker) ?? [])
    const byMeasuring = [...own, ...ofOthers].map(({ mbps, bestMbps, at }) => ({
      share: mbps / bestMbps,
      at,
    }))
    return [...byFrames, ...byMeasuring]
  }

  /** Of a measurement: what frames have shown before it counts no more. */
  private answer(from: string, to: string, mbps: number): void {
    const key = keyOf(from, to)
    const known = this.live.get(key)?.mbps ?? this.measurement(from, to)?.mbps
    this.live.delete(key)
    this.expected.delete(key)
    this.shares.clear()
    this.answered(key)
    if (known === undefined || ratioOf(known, mbps) > OTHERWISE) this.doubts.delete(key)
  }

  private answered(key: string): void {
    if (this.doubts.get(key) === 'open') this.answeredAt.set(key, this.now())
    if (this.doubts.has(key)) this.doubts.set(key, 'answered')
  }

  /** Which of the two has made it says nothing. */
  private measurement(from: string, to: string): Measured | undefined {
    const [own, other] = [this.measured.get(from)?.get(to), this.measured.get(to)?.get(from)]
    if (own !== undefined || other === undefined) return own
    const [first, second] = other.shares
    return { ...other, shares: [second, first] }
  }
}

function ratioOf(a: number, b: number): number {
  return Math.max(a / b, b / a)
}

function keyOf(from: string, to: string): string {
  return `${from} ${to}`
}
