/** How fast a link took messages of late. */
export interface Delivery {
  /** 10^6 bit/s. The link does at least that. */
  readonly mbps: number
  /** Time that the message took which shows it: the shorter, the more of it is not the link's. */
  readonly ms: number
  /** How long ago it arrived. */
  readonly agoMs: number
}

/** Between two measurements. */
const EVERY_MS = 500
/**
 * The best but one of them counts: what the processors do meanwhile makes a link seem slower, and seldom faster, where the
 * sender learns late that the first message has arrived.
 */
const REMEMBERED = 5
/** A connection that has just begun is slow for a while, and so is one that shares its link with the plan before it. */
const LEAST = 3
/** What is not acknowledged by then is lost. */
const LOST_MS = 30_000

interface Pair {
  readonly begunAt: number
  second: boolean
  firstArrivedAt: number
}

/**
 * Measures a link by the messages that go over it anyway, two in a row every now and then: by the time from when the
 * second left, or from when the first had arrived where that was later, until the second has arrived. So what else was
 * still on its way does not count. After the delivery rate of BBR (Cardwell et al., 2016), which takes the best of late too.
 */
export class DeliveryRate {
  private pair: Pair | undefined
  private nextAt = -Infinity
  private recent: (Omit<Delivery, 'agoMs'> & { readonly at: number })[] = []

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Undefined: not known, for too little was sent. */
  get best(): Delivery | undefined {
    if (this.recent.length < LEAST) return undefined
    const [, one] = [...this.recent].sort((a, b) => b.mbps - a.mbps)
    return one && { mbps: one.mbps, ms: one.ms, agoMs: this.now() - one.at }
  }

  /**
   * A message leaves.
   * @returns what is to be called when it has arrived; undefined: that need not be known
   */
  leaves(bytes: number): (() => void) | undefined {
    const now = this.now()
    if (this.pair !== undefined && now - this.pair.begunAt > LOST_MS) this.pair = undefined
    if (this.pair === undefined) {
      if (now < this.nextAt) return undefined
      const pair: Pair = { begunAt: now, second: false, firstArrivedAt: -Infinity }
      this.pair = pair
      return () => (pair.firstArrivedAt = this.now())
    }
    const { pair } = this
    if (pair.second) return undefined
    pair.second = true
    return () => this.arrived(pair, bytes, now)
  }

  /** It is another connection. */
  reset(): void {
    this.pair = undefined
    this.recent = []
  }

  private arrived(pair: Pair, bytes: number, leftAt: number): void {
    if (pair !== this.pair) return
    const now = this.now()
    const ms = now - Math.max(leftAt, pair.firstArrivedAt)
    this.pair = undefined
    this.nextAt = now + EVERY_MS
    if (ms <= 0) return
    this.recent = [...this.recent, { mbps: (bytes * 8) / 1e3 / ms, ms, at: now }].slice(-REMEMBERED)
  }
}
