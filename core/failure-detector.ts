/** What a detector is set to; all in ms. */
export interface DetectorSettings {
  /** Time between two signs of life, until it is known from them. */
  readonly expectedMs: number
  /** Silence on top of what signs have shown so far that is taken for a pause: a busy machine, a lost message. */
  readonly acceptablePauseMs: number
  /** Silence after which somebody is suspected, however irregular the signs were. */
  readonly mostMs: number
}

/** Signs whose intervals are remembered. */
const REMEMBERED = 60
/** Intervals vary by so much of the expected one, at least: beats that were very regular prove little. */
const LEAST_DEVIATION = 0.25
/** How many times as long a pause is accepted of somebody who was suspected for none; half as long after every calm while. */
const PATIENCE = { grows: 2, most: 4, calm: REMEMBERED } as const
/** Suspicion that is enough: a chance of one in 10^8 that a sign of life is still to come. */
const ENOUGH = 8

/**
 * Judges from irregular signs of life whether somebody is still there: suspicion grows with silence, measured by how
 * irregular the signs were before.
 * Source: Hayashibara et al., "The φ accrual failure detector" (SRDS 2004), with an acceptable pause as in Akka
 */
export class FailureDetector {
  private readonly intervals: number[] = []
  private last: number
  private patience = 1
  /** Signs since the last pause that was taken for silence, or since patience was taken back. */
  private calm = 0

  /** @param now  of the first sign, in ms of any clock that only goes forward */
  constructor(
    private readonly settings: DetectorSettings,
    now: number,
  ) {
    this.last = now
  }

  heard(now: number): void {
    this.learn(now)
    // What was silent and is back does not make longer silences normal.
    const longest = this.settings.expectedMs + this.settings.acceptablePauseMs
    this.intervals.push(Math.min(now - this.last, longest))
    if (this.intervals.length > REMEMBERED) this.intervals.shift()
    this.last = now
  }

  /** Time in which nobody could have been heard: the listener itself was held up. */
  excuse(ms: number): void {
    this.last += ms
  }

  /** -log10 of the chance that a sign of life comes later than this; 0 or more. */
  suspicion(now: number): number {
    const { mean, deviation } = this.usual()
    const late = now - this.last - this.settings.acceptablePauseMs * this.patience - mean
    return -Math.log10(tail(late / deviation))
  }

  isSuspect(now: number): boolean {
    return now - this.last > this.settings.mostMs || this.suspicion(now) > ENOUGH
  }

  /** A pause that was taken for silence was a false alarm, unless it was so long that nobody could have known. */
  private learn(now: number): void {
    const { grows, most, calm } = PATIENCE
    if (this.isSuspect(now)) {
      if (now - this.last <= this.settings.mostMs) this.patience = Math.min(this.patience * grows, most)
      this.calm = 0
    } else if (++this.calm >= calm) {
      this.patience = Math.max(this.patience / grows, 1)
      this.calm = 0
    }
  }

  private usual(): { mean: number; deviation: number } {
    const { expectedMs } = this.settings
    const known = this.intervals.length < 5 ? [expectedMs] : this.intervals
    const mean = known.reduce((sum, one) => sum + one, 0) / known.length
    const variance = known.reduce((sum, one) => sum + (one - mean) ** 2, 0) / known.length
    return { mean, deviation: Math.max(Math.sqrt(variance), LEAST_DEVIATION * expectedMs) }
  }
}

/** Chance that a normal value is more than `z` deviations above its mean; never 0. */
function tail(z: number): number {
  // Logistic approximation, within 2e-4 of the normal distribution, and monotonic far out.
  const exponent = Math.min(z * (1.5976 + 0.070566 * z * z), 700)
  return z < 0 ? 1 - 1 / (1 + Math.exp(-exponent)) : Math.exp(-exponent) / (1 + Math.exp(-exponent))
}
