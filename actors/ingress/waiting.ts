import { type Arrival } from './arrival.js'
import { type Budget } from './budget.js'

interface Waiting {
  readonly arrival: Arrival
  readonly timer: NodeJS.Timeout
  readonly release: () => void
}

/** Frames that wait at once. */
export const MOST_UNKNOWN = 256
/** The same where a broker has kept some while the ingress was away, which come before it can know of any pipeline. */
export const MOST_KEPT = 100_000

/** Where frames wait for a pipeline that is not known yet: its plan and its first frame may come at the same time. */
export class WaitingRoom {
  private readonly waiting = new Set<Waiting>()

  /** @param giveUp  takes a frame that has waited for `waitMs` in vain */
  constructor(
    private readonly limits: { readonly waitMs: number; readonly most: number },
    private readonly budget: Budget,
    private readonly giveUp: (arrival: Arrival) => void,
  ) {}

  add(arrival: Arrival): void {
    const release =
      this.waiting.size < this.limits.most ? this.budget.hold(arrival.payload.byteLength) : undefined
    if (release === undefined) return this.giveUp(arrival)
    const late = () => {
      this.remove(entry)
      this.giveUp(arrival)
    }
    const entry: Waiting = { arrival, release, timer: setTimeout(late, this.limits.waitMs) }
    this.waiting.add(entry)
  }

  /** All that wait for `pipeline`, in the order in which they came. */
  take(pipeline: string): Arrival[] {
    const taken = [...this.waiting].filter(({ arrival }) => arrival.pipeline === pipeline)
    for (const entry of taken) this.remove(entry)
    return taken.map(({ arrival }) => arrival)
  }

  close(): void {
    for (const entry of this.waiting) {
      this.remove(entry)
      this.giveUp(entry.arrival)
    }
  }

  private remove(entry: Waiting): void {
    clearTimeout(entry.timer)
    entry.release()
    this.waiting.delete(entry)
  }
}
