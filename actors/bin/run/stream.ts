import { lastValueFrom, takeUntil, tap, map, Observable } from 'rxjs'
import { type Pipeline } from '../../../config/pipeline.js'
import { errorOf } from '../../../core/control/index.js'
import { argMax } from '../../../core/compare.js'
import { MillraceError } from '../../../core/errors.js'
import { type LedgerEntry } from '../../../core/ledger.js'
import { type Tensors } from '../../../core/tensor.js'
import { type Prediction } from '../../dispatcher/index.js'
import { type FrameSource } from '../cli/input.js'

export interface StreamResult {
  readonly predicted: number
  readonly fps: number
  readonly latenciesMs: readonly number[]
  readonly misordered: number
  readonly bytes: number
  /** Predictions whose largest element is the frame's label, where labels are known. */
  readonly right: number
  /** Frames to be verified, with what the pipeline made of them. */
  readonly kept: readonly { readonly tensors: Tensors; readonly outputs: Tensors }[]
  /** How the first frame that was not predicted ended. */
  readonly firstFailure: LedgerEntry | undefined
}

export interface StreamWish {
  readonly source: FrameSource
  /** How many frames are kept for verification. */
  readonly keep: number
  readonly deadlineMs: number
  readonly onPrediction: (count: number, fps: number) => void
  readonly signal: AbortSignal
}

/** Streams all frames of a source through a pipeline. */
export async function streamThrough(pipeline: Pipeline, wish: StreamWish): Promise<StreamResult> {
  const tally = new Tally(wish)
  const ledger = pipeline.ledger$.subscribe(entry => tally.end(entry))
  const frames = pipeline.pull(indices(wish.source.count))
  try {
    const flow = frames.pipe(
      map(index => wish.source.frame(index)),
      pipeline.infer({ stream: 'run', deadlineMs: wish.deadlineMs }),
      tap(prediction => tally.take(prediction)),
      takeUntil(broken(pipeline, wish.signal)),
    )
    await lastValueFrom(flow, { defaultValue: undefined })
    return tally.result()
  } finally {
    ledger.unsubscribe()
  }
}

function* indices(count: number): Iterable<number> {
  for (let index = 0; index < count; index++) yield index
}

/** Fails when the pipeline loses a worker or the user stops the run. */
function broken(pipeline: Pipeline, signal: AbortSignal): Observable<never> {
  return new Observable<never>(subscriber => {
    const stop = () => subscriber.error(new MillraceError('STOPPED', 'the run was stopped'))
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    const status = pipeline.status$.subscribe(({ state, error }) => {
      if (state === 'degraded' || state === 'failed') subscriber.error(errorOf({ error }))
    })
    return () => {
      signal.removeEventListener('abort', stop)
      status.unsubscribe()
    }
  })
}

class Tally {
  private readonly latenciesMs: number[] = []
  private readonly kept: { tensors: Tensors; outputs: Tensors }[] = []
  private readonly startedAt = performance.now()
  private endedAt = this.startedAt
  private nextSequence = 0
  private misordered = 0
  private bytes = 0
  private right = 0
  private firstFailure: LedgerEntry | undefined

  constructor(private readonly wish: StreamWish) {}

  take(prediction: Prediction): void {
    const { sequence, outputs, ageMs, bytes } = prediction
    this.endedAt = performance.now()
    this.latenciesMs.push(ageMs)
    this.bytes += bytes
    if (sequence < this.nextSequence) this.misordered++
    this.nextSequence = Math.max(this.nextSequence, sequence + 1)
    this.judge(sequence, outputs)
    if (sequence < this.wish.keep) this.kept.push({ tensors: this.wish.source.frame(sequence), outputs })
    this.wish.onPrediction(this.latenciesMs.length, this.fps())
  }

  end(entry: LedgerEntry): void {
    if (entry.end !== 'predicted') this.firstFailure ??= entry
  }

  result(): StreamResult {
    const { latenciesMs, misordered, bytes, right, kept, firstFailure } = this
    return {
      predicted: latenciesMs.length,
      fps: this.fps(),
      latenciesMs,
      misordered,
      bytes,
      right,
      kept,
      firstFailure,
    }
  }

  private fps(): number {
    const seconds = (this.endedAt - this.startedAt) / 1000
    return seconds > 0 ? this.latenciesMs.length / seconds : 0
  }

  private judge(sequence: number, outputs: Tensors): void {
    const { source } = this.wish
    const output = source.labelOutput === undefined ? undefined : outputs[source.labelOutput]
    if (output !== undefined && argMax(output) === source.label(sequence)) this.right++
  }
}
