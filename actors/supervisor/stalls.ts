import { activationKeyOf, type Beat } from '../../core/control/index.js'

interface Track {
  readonly worker: string
  readonly ended: number
  /** For how long the session has had a frame and ended none, as far as the runtime was there to count. */
  readonly heldMs: number
  /** When it counted last, by its own clock. */
  readonly at: number
}

/** A process that has not counted for longer slept for the rest: it cannot have run an inference. */
const MOST_BETWEEN_MS = 1_000

/** A frame may take so many times as long as a plan says. */
const PATIENCE = 20

/**
 * Finds actors whose session has a frame and does not end it, though their worker beats and their process counts: an
 * inference that hangs.
 */
export class Stalls {
  private readonly tracks = new Map<string, Track>()

  /**
   * @param stalledAfterMs  0: none is ever stalled
   * @param runMs  of one frame, as plans in force say, by `activationKeyOf`
   */
  constructor(
    private readonly stalledAfterMs: number,
    private readonly runMs: (key: string) => number | undefined,
  ) {}

  beaten({ worker, at, countedAt = at, actors }: Beat): void {
    for (const [key, track] of this.tracks) if (track.worker === worker) this.carry(key, actors)
    for (const actor of actors) {
      const key = activationKeyOf(actor)
      const ended = actor.frames + actor.failures
      const known = this.tracks.get(key)
      const same = known?.worker === worker && known.ended === ended && actor.running > 0
      const heldMs = same ? known.heldMs + Math.min(countedAt - known.at, MOST_BETWEEN_MS) : 0
      this.tracks.set(key, { worker, ended, heldMs, at: countedAt })
    }
  }

  has(key: string): boolean {
    const track = this.tracks.get(key)
    if (track === undefined || this.stalledAfterMs === 0) return false
    const limitMs = Math.max(this.stalledAfterMs, PATIENCE * (this.runMs(key) ?? 0))
    return track.heldMs > limitMs
  }

  private carry(key: string, actors: Beat['actors']): void {
    if (!actors.some(actor => activationKeyOf(actor) === key)) this.tracks.delete(key)
  }
}
