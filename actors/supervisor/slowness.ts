import { activationKeyOf, type ActorProgress, type Beat } from '../../core/control/index.js'
import { quantile } from '../../core/costs/index.js'

/** What a plan says of an actor. */
export interface Expected {
  /** Of one frame, on its worker as that usually is. */
  readonly runMs: number
}

export interface SlownessOptions {
  /** How many times longer than others a worker must take; 0: none is ever slow. */
  readonly slowFactor: number
}

/** An actor's time is taken over so long, and so many frames at least. */
const WINDOW_MS = 1_000
const WINDOW_FRAMES = 3
/** Windows one after the other that it takes to be slow, and to be so no more. */
const SLOW_WINDOWS = 4
const WELL_WINDOWS = 8
/** Up to here a time is as usual, relative to others. */
const USUAL = 1.5
/** Where an actor's own usual time is not known yet, a plan's may be wrong; so many times as much is needed. */
const UNSURE = 1.6
/** Times below this are those of the way, not of the work. */
const LEAST_MS = 1
const REMEMBERED = 20
const KNOWN_AFTER = 5
/** Who tells nothing any more says nothing about how busy machines are. */
const FRESH_MS = 5_000
const MOST = 20
/** A slow worker that has nothing to run counts as slow for so long, and for twice as long each time. */
const FORGIVEN_MS = 60_000
const LONGEST_MS = 600_000

interface Track {
  readonly worker: string
  /** At the beginning of the window. */
  start: { readonly at: number; readonly frames: number; readonly runMs: number }
  /** Times of earlier windows in which all was as usual. */
  readonly usual: number[]
  /** In the last window, how many times as long as expected; and when that ended, in the clock of who judges. */
  factor: number
  measuredAt: number
  slowWindows: number
  wellWindows: number
}

interface Slow {
  readonly factor: number
  readonly incarnation: number
  /** How often it was found slow. */
  readonly times: number
  /** Undefined: it is well again, and only how often it was slow is remembered. */
  readonly until: number | undefined
}

/**
 * Finds workers that take much longer for their frames than they did, or than their plans say, and much longer than the
 * others do: a machine, or all machines, that are busy make nobody slow.
 */
export class Slowness {
  private readonly tracks = new Map<string, Track>()
  private readonly slow = new Map<string, Slow>()

  /** @param expected  what plans in force say of an actor, by `activationKeyOf` */
  constructor(
    private readonly options: SlownessOptions,
    private readonly expected: (key: string) => Expected | undefined,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** How many times slower than usual a worker is: 1 or more. */
  of(worker: string): number {
    const slow = this.slow.get(worker)
    return slow?.until !== undefined && slow.until > this.now() ? slow.factor : 1
  }

  beaten({ worker, incarnation, at, countedAt = at, actors }: Beat): void {
    if (this.slow.get(worker)?.incarnation !== incarnation) this.slow.delete(worker)
    const keys = new Set(actors.map(activationKeyOf))
    for (const [key, track] of this.tracks) {
      if (track.worker === worker && !keys.has(key)) this.tracks.delete(key)
    }
    for (const actor of actors) this.follow(worker, incarnation, countedAt, actor)
  }

  private follow(worker: string, incarnation: number, at: number, actor: ActorProgress): void {
    const key = activationKeyOf(actor)
    const { frames, runMs } = actor
    const track = this.tracks.get(key)
    if (track?.worker !== worker || frames < track.start.frames || at < track.start.at) {
      this.tracks.set(key, fresh(worker, { at, frames, runMs }))
      return
    }
    const count = frames - track.start.frames
    if (at - track.start.at < WINDOW_MS || count < WINDOW_FRAMES) return
    const ms = (runMs - track.start.runMs) / count
    track.start = { at, frames, runMs }
    const expected = this.expected(key)
    if (expected !== undefined) this.judge(track, incarnation, ms, expected)
  }

  private judge(track: Track, incarnation: number, ms: number, expected: Expected): void {
    const isKnown = track.usual.length >= KNOWN_AFTER
    const usual = isKnown ? quantile(track.usual, 0.5) : expected.runMs
    track.factor = ms / Math.max(usual, LEAST_MS)
    track.measuredAt = this.now()
    const common = this.common(track.worker)
    if (common === undefined) return
    const relative = track.factor / common
    // Nothing is learnt while others take longer than usual.
    if (relative < USUAL && common < USUAL) {
      track.usual.push(ms)
      if (track.usual.length > REMEMBERED) track.usual.shift()
    }
    const isSure = isKnown || this.slow.has(track.worker)
    const limit = this.options.slowFactor * (isSure ? 1 : UNSURE)
    track.slowWindows = relative > limit && limit > 0 ? track.slowWindows + 1 : 0
    track.wellWindows = relative < USUAL ? track.wellWindows + 1 : 0
    if (track.slowWindows >= SLOW_WINDOWS) this.find(track.worker, incarnation, relative)
    else this.recover(track.worker)
  }

  /** How many times as long as expected the others take, in the middle; undefined: there are none to compare with. */
  private common(worker: string): number | undefined {
    const since = this.now() - FRESH_MS
    const others = [...this.tracks.values()].filter(one => one.worker !== worker && one.measuredAt >= since)
    if (others.length === 0) return undefined
    const factors = others.map(({ factor }) => factor)
    return Math.max(1, quantile(factors, 0.5))
  }

  private find(worker: string, incarnation: number, relative: number): void {
    const known = this.slow.get(worker)
    const isSlow = this.of(worker) > 1
    const times = (known?.times ?? 0) + (isSlow ? 0 : 1)
    const factor = Math.min(MOST, Math.round(10 * relative) / 10)
    // A figure that moves about would have pipelines planned anew again and again.
    const grown = isSlow && factor < USUAL * (known?.factor ?? 1) ? (known?.factor ?? factor) : factor
    const forMs = Math.min(FORGIVEN_MS * 2 ** (times - 1), LONGEST_MS)
    this.slow.set(worker, { factor: grown, incarnation, times, until: this.now() + forMs })
  }

  private recover(worker: string): void {
    const known = this.slow.get(worker)
    if (known?.until === undefined) return
    const own = [...this.tracks.values()].filter(one => one.worker === worker)
    const isWell = own.every(({ wellWindows }) => wellWindows >= WELL_WINDOWS)
    if (isWell) this.slow.set(worker, { ...known, until: undefined })
  }
}

function fresh(worker: string, start: Track['start']): Track {
  return {
    ...{ worker, start, usual: [], factor: 1 },
    ...{ measuredAt: -Infinity, slowWindows: 0, wellWindows: 0 },
  }
}
