import { type Observable, type Subscription } from 'rxjs'
import { relativeError } from '../../../core/compare.js'
import { type FrameIdentity, identityKey } from '../../../core/frame.js'
import { type LedgerEntry } from '../../../core/ledger.js'
import { type Tensors } from '../../../core/tensor.js'
import { type Prediction } from '../../dispatcher/index.js'
import { TOLERANCE } from '../run/verify.js'

/** What a pipeline tells of its frames. */
export interface Told {
  readonly frames$: Observable<FrameIdentity>
  readonly predictions$: Observable<Prediction>
  readonly ledger$: Observable<LedgerEntry>
}

/** What became of the frames of a stream, counted from what was told of each. */
export interface Verdict {
  readonly admitted: number
  readonly predicted: number
  /** Admitted, and not predicted. */
  readonly lost: number
  /** Predictions or ends that came for a frame that had one. */
  readonly duplicates: number
  /** Predictions delivered after that of a later frame. */
  readonly misordered: number
  /** Predictions that differ from the uncut model's by more than is allowed, or are of no frame. */
  readonly wrong: number
}

/**
 * Judges a stream by what the pipeline tells of it, frame by frame. It uses none of the dispatcher's own counts, so that
 * it finds out where these are wrong too.
 */
export class Checker {
  /** The frames that have not ended, each with the time of its admission (`performance.now()`). */
  readonly open = new Map<string, number>()
  private readonly ended = new Set<string>()
  /** Known from a life before, and to be admitted once more. */
  private readonly left = new Set<string>()
  private readonly delivered = new Set<string>()
  private readonly newest = new Map<string, number>()
  private readonly watching: Subscription[]
  private admitted = 0
  private spared = 0
  private duplicates = 0
  private misordered = 0
  private wrong = 0

  /**
   * @param expected  what the uncut model makes of the frame of a sequence number, in the version that a prediction names
   * @param mayFail  frames that the fault is meant to make fail, and that are no loss then
   * @param tolerance  the largest relative error of a right prediction
   */
  constructor(
    { frames$, predictions$, ledger$ }: Told,
    private readonly expected: (sequence: number, version: string) => Tensors,
    private readonly mayFail: (frame: FrameIdentity) => boolean = () => false,
    private readonly tolerance = TOLERANCE,
  ) {
    this.watching = [
      frames$.subscribe(frame => this.admit(frame)),
      predictions$.subscribe(prediction => this.take(prediction)),
      ledger$.subscribe(entry => this.end(entry)),
    ]
  }

  /**
   * The dispatcher was killed, and the next one goes on with its journal.
   * @param unended  keys of the frames whose end the journal does not have: these are admitted and predicted once more, be
   *   they delivered or not; a prediction that comes again for any other is a duplicate
   */
  restarted(unended: Iterable<string>): void {
    this.newest.clear()
    for (const key of unended) {
      if (!this.open.has(key) && !this.ended.delete(key)) continue
      this.delivered.delete(key)
      this.open.set(key, performance.now())
      this.left.add(key)
    }
  }

  verdict(): Verdict {
    const { admitted, duplicates, misordered, wrong } = this
    const predicted = this.delivered.size
    return { admitted, predicted, lost: admitted - predicted - this.spared, duplicates, misordered, wrong }
  }

  close(): void {
    for (const subscription of this.watching) subscription.unsubscribe()
  }

  private admit(frame: FrameIdentity): void {
    const key = identityKey(frame)
    if (!this.left.delete(key)) this.admitted++
    this.open.set(key, performance.now())
  }

  private take(prediction: Prediction): void {
    const { stream, sequence, outputs, version } = prediction
    const key = identityKey(prediction)
    const known = this.open.has(key) || this.ended.has(key)
    if (this.delivered.has(key)) this.duplicates++
    else if (known) this.delivered.add(key)
    const newest = this.newest.get(stream) ?? -1
    if (sequence < newest) this.misordered++
    this.newest.set(stream, Math.max(newest, sequence))
    const error = relativeError(outputs, this.expected(sequence, version))
    if (!known || !(error <= this.tolerance)) this.wrong++
  }

  private end(entry: LedgerEntry): void {
    const key = identityKey(entry)
    if (this.ended.has(key)) this.duplicates++
    this.ended.add(key)
    this.open.delete(key)
    if (entry.end === 'failed' && this.mayFail(entry)) this.spared++
  }
}

/** Whether a verdict finds nothing wrong. */
export function isClean({ lost, duplicates, misordered, wrong }: Verdict): boolean {
  return lost + duplicates + misordered + wrong === 0
}
