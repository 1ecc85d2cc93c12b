import { type Plan, type PlanReason } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type Circumstances, circumstancesOf, differenceOf } from './circumstances.js'
import { type Proposal, study } from './replanning.js'
import { type ReplanParts } from './situation.js'

const LONGEST_INTERVAL_MS = 600_000
/** Where the network changes, some links are found to be otherwise later than others: nothing is planned for half of it. */
const SETTLED_MS = 2_000
/** The same while links are being measured, because frames make one doubt what is known of them. */
const MEASURED_MS = 6_000
/** After so many intervals without a new plan, the interval is the shortest again. */
const CALM = 10

/**
 * Decides when a pipeline is worth planning anew: workers are otherwise than when that was considered last, have been so
 * for a moment, and it was not done just now. Looks for a plan in the background.
 */
export class Replanner {
  /** Under which the plan in force was made, or was found to be good enough; undefined: not known. */
  private considered: Circumstances | undefined
  private seen: Circumstances | undefined
  private changedAt = -Infinity
  /** Why it is worth considering whatever the circumstances are. */
  private open: PlanReason | undefined
  /** Of the plan whose parts have been considered as frames have shown them. */
  private evened: number | undefined
  private abort: AbortController | undefined
  private notBefore = -Infinity
  private intervalMs: number

  constructor(
    private readonly parts: () => ReplanParts,
    private readonly options: { readonly replanIntervalMs: number },
    private readonly onTrouble: (error: MillraceError) => void,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.intervalMs = options.replanIntervalMs
  }

  circumstances(): Circumstances {
    const { registry, slowdownOf } = this.parts()
    return circumstancesOf(registry, slowdownOf)
  }

  /** A plan was made for these. */
  planned(circumstances: Circumstances): void {
    this.considered = circumstances
    this.open = undefined
    this.intervalMs = this.options.replanIntervalMs
    this.notBefore = -Infinity
  }

  /** What was done about lost workers was the quickest, not the best. */
  mended(reason: PlanReason): void {
    this.considered = this.circumstances()
    this.open = reason
  }

  /** A better plan is being brought into force. */
  switched(): void {
    const now = this.now()
    const calm = now - this.notBefore > CALM * this.intervalMs
    if (calm) this.intervalMs = this.options.replanIntervalMs
    this.notBefore = now + this.intervalMs
    this.intervalMs = Math.min(2 * this.intervalMs, LONGEST_INTERVAL_MS)
  }

  /** To be called from time to time while the plan in force works. `use` is called with a better one. */
  tend(plan: Plan, use: (proposal: Proposal) => void): void {
    if (this.options.replanIntervalMs === 0 || this.abort !== undefined) return
    const circumstances = this.circumstances()
    const { considered, seen, open } = this
    this.seen = circumstances
    const other = considered === undefined ? 'worker changed' : differenceOf(considered, circumstances)
    const isShown = this.evened !== plan.epoch && this.parts().registry.loads.of(plan) !== undefined
    const reason = other ?? open ?? (isShown ? 'parts uneven' : undefined)
    const now = this.now()
    const isSteady = seen !== undefined && differenceOf(seen, circumstances) === undefined
    if (!isSteady) this.changedAt = now
    const settledMs = this.parts().registry.links.hasDoubts ? MEASURED_MS : SETTLED_MS
    const mayGoOn = reason === 'worker changed' && now - this.changedAt < settledMs
    if (reason === undefined || !isSteady || mayGoOn || now < this.notBefore) return
    const abort = (this.abort = new AbortController())
    const { evened } = this
    if (reason === 'parts uneven') this.evened = plan.epoch
    this.considered = circumstances
    this.open = undefined
    const again = () => {
      this.considered = considered
      this.open = open
      this.evened = evened
    }
    study(plan, reason, this.parts(), abort.signal)
      .then(proposal => {
        this.abort = undefined
        if (abort.signal.aborted) again()
        else if (proposal !== undefined) use(proposal)
      })
      .catch((error: unknown) => {
        this.abort = undefined
        if (abort.signal.aborted) again()
        else this.onTrouble(MillraceError.from(error))
      })
  }

  /** Leaves what is being considered, to be considered again. */
  halt(): void {
    this.abort?.abort()
  }
}
