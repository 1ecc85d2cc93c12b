import { filter, map, merge, type Observable, type Subscription } from 'rxjs'
import { type Pipeline } from '../../../config/pipeline.js'
import { type FrameIdentity, identityKey } from '../../../core/frame.js'
import { type Prediction } from '../../dispatcher/index.js'

/** All in ms since the fault; undefined: not yet, or never. */
export interface Recovered {
  /** Until the cluster said that something is wrong, or put another plan in force. */
  readonly detectMs: number | undefined
  /** Until the first prediction that is of a newer epoch, or of a frame that was admitted after the fault. */
  readonly resumeMs: number | undefined
}

/** How long after a fault it is noticed, and predictions come again. */
export class Recovery {
  /** The frame whose prediction showed that the stream has resumed. */
  readonly resumed: Promise<void>
  private readonly admittedSince = new Set<string>()
  private readonly watching: Subscription[]
  private settle: () => void = () => undefined
  private struckAt: number | undefined
  private detectedAt: number | undefined
  private resumedAt: number | undefined

  /**
   * @param epoch  in force before the fault
   * @param signs  others that the fault was noticed, beside what the supervisor says of the pipeline
   */
  constructor(
    { status$, plan$, frames$, predictions$ }: Pipeline,
    private readonly epoch: number,
    signs: Observable<unknown>,
  ) {
    this.resumed = new Promise(resolve => (this.settle = resolve))
    const degraded = status$.pipe(filter(({ state }) => state === 'degraded' || state === 'failed'))
    const replaced = plan$.pipe(filter(plan => plan.epoch > epoch))
    this.watching = [
      merge(degraded, replaced, signs)
        .pipe(map(() => performance.now()))
        .subscribe(now => this.detected(now)),
      frames$.subscribe(frame => this.admitted(frame)),
      predictions$.subscribe(prediction => this.delivered(prediction)),
    ]
  }

  /** The fault happens now. */
  strike(): void {
    this.struckAt = performance.now()
  }

  times(): Recovered {
    const since = (at: number | undefined) =>
      at === undefined || this.struckAt === undefined ? undefined : at - this.struckAt
    return { detectMs: since(this.detectedAt), resumeMs: since(this.resumedAt) }
  }

  close(): void {
    for (const subscription of this.watching) subscription.unsubscribe()
  }

  private detected(now: number): void {
    if (this.struckAt !== undefined) this.detectedAt ??= now
  }

  private admitted(frame: FrameIdentity): void {
    if (this.struckAt !== undefined && this.resumedAt === undefined)
      this.admittedSince.add(identityKey(frame))
  }

  private delivered(prediction: Prediction): void {
    if (this.struckAt === undefined || this.resumedAt !== undefined) return
    if (prediction.epoch <= this.epoch && !this.admittedSince.has(identityKey(prediction))) return
    this.resumedAt = performance.now()
    this.settle()
  }
}
