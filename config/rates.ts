import { type ActorProgress, type Beat } from '../core/control/index.js'

/** How an actor has fared between two beats. */
export interface ActorRates {
  readonly framesPerSecond: number
  /** Left out where it took no frame. */
  readonly msPerFrame?: number
  readonly bytesInPerSecond: number
  readonly bytesOutPerSecond: number
}

/** Rates are over so long. */
const WINDOW_MS = 5_000
/** A worker that beats faster than 50 times a second has rates over a shorter time. */
const MOST_BEATS = 256

/** The last beats of one worker's incarnation: between the first and the last of them its rates are measured. */
export class BeatTrail {
  private beats: Beat[] = []

  add(beat: Beat): void {
    const { last } = this
    const follows = last?.incarnation === beat.incarnation && beat.at > last.at
    const fresh = (earlier: Beat) => beat.at - earlier.at <= WINDOW_MS
    // A slow heart has two beats all the same.
    const kept = this.beats.filter((earlier, i) => i === this.beats.length - 1 || fresh(earlier))
    this.beats = follows ? [...kept.slice(1 - MOST_BEATS), beat] : [beat]
  }

  get last(): Beat | undefined {
    return this.beats.at(-1)
  }

  /** What it has beaten over. */
  get spanMs(): number {
    return (this.last?.at ?? 0) - (this.beats[0]?.at ?? 0)
  }

  /** Processor time used, in percent of one core; undefined where that is not known. */
  get cpuPercent(): number | undefined {
    const from = this.beats[0]?.cpuMs
    const to = this.last?.cpuMs
    // Less than before: its runtime process was started again.
    if (from === undefined || to === undefined || to < from || this.spanMs === 0) return undefined
    return (100 * (to - from)) / this.spanMs
  }

  /** Undefined for an actor that was not there, or was started again, since the first of the beats. */
  ratesOf(isIt: (actor: ActorProgress) => boolean): ActorRates | undefined {
    const first = this.beats.find(beat => beat.actors.some(isIt))
    const from = first?.actors.find(isIt)
    const to = this.last?.actors.find(isIt)
    const ms = countedAt(this.last) - countedAt(first)
    if (from === undefined || to === undefined || ms <= 0) return undefined
    const frames = to.frames - from.frames
    const bytes = [to.bytesIn - from.bytesIn, to.bytesOut - from.bytesOut] as const
    if (frames < 0 || bytes.some(count => count < 0)) return undefined
    return {
      framesPerSecond: (1_000 * frames) / ms,
      ...(frames === 0 ? {} : { msPerFrame: (to.runMs - from.runMs) / frames }),
      bytesInPerSecond: (1_000 * bytes[0]) / ms,
      bytesOutPerSecond: (1_000 * bytes[1]) / ms,
    }
  }
}

function countedAt(beat: Beat | undefined): number {
  return beat?.countedAt ?? beat?.at ?? 0
}
