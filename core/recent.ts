const SLOT_MS = 1_000
const SLOTS = 5
/** Each bucket reaches so much further than the one before, so a quantile is off by 2 % at most. */
const GROWTH = 1.04
const LONGEST_MS = 86_400_000
const BUCKETS = bucketOf(LONGEST_MS) + 1

interface Slot {
  /** Since the Unix epoch, in steps of `SLOT_MS`. */
  number: number
  total: number
  readonly counts: Uint32Array
}

export interface RecentSummary {
  /** Per second. */
  readonly rate: number
  /** Left out where there was none. */
  readonly quantilesMs?: { readonly p50: number; readonly p99: number }
}

/**
 * How many events there were in the last five seconds, and how long they took. It takes the same memory whatever comes.
 * All times are ms since the Unix epoch.
 */
export class Recent {
  private readonly slots: Slot[] = Array.from({ length: SLOTS }, () => ({
    number: -1,
    total: 0,
    counts: new Uint32Array(BUCKETS),
  }))
  private busySince = 0

  /** @param tookMs  0 to a day; more counts as a day, less as 0 */
  record(tookMs: number, now: number): void {
    const slot = this.slotAt(now)
    if (slot.total === 0 && this.isEmpty(now)) this.busySince = now
    slot.total++
    const bucket = bucketOf(tookMs)
    slot.counts[bucket] = (slot.counts[bucket] ?? 0) + 1
  }

  isEmpty(now: number): boolean {
    return this.current(now).every(({ total }) => total === 0)
  }

  /** The rate is over the time since the first of these events, and over a second at least. */
  summary(now: number): RecentSummary {
    const slots = this.current(now)
    const total = slots.reduce((sum, slot) => sum + slot.total, 0)
    if (total === 0) return { rate: 0 }
    const since = Math.max(this.busySince, (slotNumber(now) - SLOTS + 1) * SLOT_MS)
    const rate = total / (Math.max(now - since, SLOT_MS) / 1_000)
    return { rate, quantilesMs: { p50: quantile(slots, total, 0.5), p99: quantile(slots, total, 0.99) } }
  }

  private slotAt(now: number): Slot {
    const number = slotNumber(now)
    const index = number % SLOTS
    const known = this.slots[index]
    if (known?.number === number) return known
    const counts = known?.counts.fill(0) ?? new Uint32Array(BUCKETS)
    return (this.slots[index] = { number, total: 0, counts })
  }

  private current(now: number): Slot[] {
    const last = slotNumber(now)
    return this.slots.filter(({ number }) => number > last - SLOTS && number <= last)
  }
}

function slotNumber(now: number): number {
  return Math.floor(now / SLOT_MS)
}

function bucketOf(ms: number): number {
  const within = Math.min(Math.max(ms, 1), LONGEST_MS)
  return Math.ceil(Math.log(within) / Math.log(GROWTH))
}

/** The middle of the bucket that the nearest rank is in; a ms for all that took no longer. */
function quantile(slots: readonly Slot[], total: number, q: number): number {
  let rank = Math.ceil(q * total)
  const bucket = Array.from({ length: BUCKETS }, (_, i) => i).find(i => {
    rank -= slots.reduce((sum, { counts }) => sum + (counts[i] ?? 0), 0)
    return rank <= 0
  })
  return bucket === undefined || bucket === 0 ? 1 : GROWTH ** (bucket - 0.5)
}
