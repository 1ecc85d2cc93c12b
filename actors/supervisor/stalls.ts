import { activationKeyOf, type Beat } from '../../core/control.js'

interface Track {
  readonly worker: string
  readonly ended: number
  /** When that was first so, or nothing was in the session, as the runtime counts. */
  readonly since: number
  readonly at: number
}

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
      const since = same ? known.since : countedAt
      this.tracks.set(key, { worker, ended, since, at: countedAt })
    }
  }

  has(key: string): boolean {
    const track = this.tracks.get(key)
    if (track === undefined || this.stalledAfterMs === 0) return false
    const limitMs = Math.max(this.stalledAfterMs, PATIENCE * (this.runMs(key) ?? 0))
    return track.at - track.since > limitMs
  }

  private carry(key: string, actors: Beat['actors']): void {
    if (!actors.some(actor => activationKeyOf(actor) === key)) this.tracks.delete(key)
  }
}
