import { type Observable, type OperatorFunction } from 'rxjs'
import {
  type AdmittedFrame,
  type Dispatcher,
  type FrameInput,
  type InferOptionsInput,
  type Prediction,
} from '../actors/dispatcher/index.js'
import { type Order, type PipelineStatus, type Plan } from '../core/control/index.js'
import { type LedgerCounts, type LedgerEntry } from '../core/ledger.js'

/** A deployed model, with a dispatcher of this connection's own. */
export class Pipeline {
  constructor(
    readonly name: string,
    /** What the supervisor says of the pipeline; the current state first. */
    readonly status$: Observable<PipelineStatus>,
    private readonly dispatcher: Dispatcher,
    private readonly order: (order: Order['order']) => Promise<void>,
  ) {}

  /** Every admitted frame. */
  get frames$(): Observable<AdmittedFrame> {
    return this.dispatcher.frames$
  }

  /** Every delivered prediction, in the order of delivery. */
  get predictions$(): Observable<Prediction> {
    return this.dispatcher.predictions$
  }

  /** How each frame ended. */
  get ledger$(): Observable<LedgerEntry> {
    return this.dispatcher.ledger$
  }

  /** The plan in force, the current one first. */
  get plan$(): Observable<Plan> {
    return this.dispatcher.plan$
  }

  /** How many frames ended how, so far. */
  counts(): LedgerCounts {
    return this.dispatcher.counts()
  }

  /** Frames in, predictions out; see `Dispatcher.infer`. */
  infer(options?: InferOptionsInput): OperatorFunction<FrameInput, Prediction> {
    return this.dispatcher.infer(options)
  }

  /** The items of a source, each pulled only when the window has room; see `Dispatcher.pull`. */
  pull<T>(source: Iterable<T> | AsyncIterable<T>): Observable<T> {
    return this.dispatcher.pull(source)
  }

  /** The sequence number of the next frame of a stream; see `Dispatcher.nextSequence`. */
  nextSequence(stream: string): number {
    return this.dispatcher.nextSequence(stream)
  }

  /** Gives the canary all frames; see `Cluster.promote`. */
  promote(): Promise<void> {
    return this.order('promote')
  }

  /** Ends the canary, or brings the version before back; see `Cluster.rollback`. */
  rollback(): Promise<void> {
    return this.order('rollback')
  }

  /** Ends this connection's part in the pipeline; the pipeline stays deployed. */
  close(): Promise<void> {
    return this.dispatcher.close()
  }
}
