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
/** Fewer are remembered where these took so long together: what the processors do takes less. */
const LONG_MS = 1_000

interface Pair {
  firstArrivedAt: number
}

/**
 * Measures a link by the messages that go over it anyway, two in a row every now and then: by the time from when the
 * second left, or from when the first had arrived where that was later, until the second has arrived. So what else was
 * still on its way does not count. After the delivery rate of BBR (Cardwell et al., 2016), which takes the best of late too.
 */
export class DeliveryRate {
  /** Whose second message has not left; another may be on its way. */
  private pair: Pair | undefined
  private nextAt = -Infinity
  private recent: (Omit<Delivery, 'agoMs'> & { readonly at: number })[] = []
  private connection = 0

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
    const { pair } = this
    const now = this.now()
    if (pair !== undefined) {
      const { connection } = this
      this.pair = undefined
      return () => {
        if (connection === this.connection) this.arrived(pair, bytes, now)
      }
    }
    if (now < this.nextAt) return undefined
    const begun: Pair = { firstArrivedAt: -Infinity }
    this.pair = begun
    this.nextAt = now + EVERY_MS
    return () => (begun.firstArrivedAt = this.now())
  }

  /** It is another connection. */
  reset(): void {
    this.connection++
    this.pair = undefined
    this.recent = []
  }

  private arrived({ firstArrivedAt }: Pair, bytes: number, leftAt: number): void {
    const now = this.now()
    const ms = now - Math.max(leftAt, firstArrivedAt)
    if (ms <= 0) return
    this.recent = [...this.recent, { mbps: (bytes * 8) / 1e3 / ms, ms, at: now }].slice(-REMEMBERED)
    while (
      this.recent.length > LEAST &&
      this.recent.slice(1).reduce((sum, one) => sum + one.ms, 0) >= LONG_MS
    )
      this.recent.shift()
  }
}
