/** A frame that takes no longer than this many times the shortest way through has waited behind no other. */
const TOLERANCE = 1.5
/** Share of the way to its target that the window goes with each result. */
const STEP = 0.2
/** What a clock may not tell apart. */
const CLOCK_MS = 0.001
/** The shortest way through is measured anew after so many results: machines and links change. */
const ERA_RESULTS = 500

export interface WindowBounds {
  /** Frames under way at the beginning, 1 or more. */
  readonly least: number
  readonly most: number
  /** Frames that stay fresh at the beginning, which are no fewer later; left out: as many as may be under way. */
  readonly fresh?: number
  /**
   * How many parts of the way are as busy as its slowest, where one that is half as busy counts as half. Each is held up now
   * and then, and is to have a next frame waiting when it is not. Left out: 1.
   */
  readonly busy?: number
}

/**
 * How many frames of one dispatcher may be under way. More than keep the slowest stage or link busy would only wait
 * before it: each frame would be late, and on a slow link later than its deadline. What a frame takes when it waits
 * behind no other shows how many fit; from then on the window follows the ratio of that to what frames take now, as the
 * gradient limits of Netflix' concurrency-limits do.
 */
export class CreditWindow {
  private limit: number
  /** Frames beyond those that the way through has room for. */
  private readonly spare: number
  private shortestMs = Infinity
  private growing = true
  /** How many frames were under way without waiting, as far as is known. */
  private fits = 0
  private results = 0
  private eraBegan = 0
  /** Until the first frame of an era has come back. */
  private alone = false

  constructor(private readonly bounds: WindowBounds) {
    this.limit = bounds.least
    this.spare = 1 + (bounds.busy ?? 1)
  }

  /** Whole frames, within the bounds. */
  get size(): number {
    return Math.floor(this.limit)
  }

  /**
   * The same for streams whose frames must not wait: as many as keep the slowest part busy, without a margin for times that
   * vary. As an era begins, one: what it takes behind others, which wait too, would be taken for the shortest way.
   */
  get fresh(): number {
    const { fresh } = this.bounds
    if (fresh === undefined) return this.size
    return this.alone ? 1 : Math.min(this.size, Math.max(fresh, Math.round(this.fits) + 1))
  }

  /**
   * A frame has come back.
   * @param sentAt, receivedAt  ms on one clock that only goes forward
   * @param ahead  frames that were under way when it was sent
   */
  took(sentAt: number, receivedAt: number, ahead: number): void {
    const { least, most, fresh } = this.bounds
    if ((least >= most && fresh === undefined) || sentAt < this.eraBegan) return
    if (++this.results > ERA_RESULTS) return this.begin(receivedAt)
    this.alone = false
    const ms = Math.max(receivedAt - sentAt, CLOCK_MS)
    this.shortestMs = Math.min(this.shortestMs, ms)
    this.fits += STEP * (((ahead + 1) * this.shortestMs) / ms - this.fits)
    // What few frames take says nothing about what many would.
    if (ahead + 1 < this.limit / 2) return
    const gradient = (TOLERANCE * this.shortestMs) / ms
    this.growing &&= gradient >= 1
    this.become(this.growing ? this.limit + 1 : this.towards(gradient))
  }

  private towards(gradient: number): number {
    const target = this.limit * Math.min(1, Math.max(0.5, gradient)) + this.spare
    return this.limit + STEP * (target - this.limit)
  }

  private become(limit: number): void {
    this.limit = Math.min(this.bounds.most, Math.max(this.bounds.least, limit))
  }

  /** Few frames first, so that one goes through without waiting. */
  private begin(now: number): void {
    this.limit = this.bounds.least
    this.shortestMs = Infinity
    this.growing = true
    this.fits = 0
    this.results = 0
    this.eraBegan = now
    this.alone = true
  }
}
