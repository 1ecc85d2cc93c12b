import { type Observable } from 'rxjs'
import { type LedgerEntry, type Pipeline, type Prediction } from '../../config/index.js'
import { type Tensors } from '../../core/tensor.js'

/** A stream of one pipeline, the only one there, that goes on until it is stopped. */
export class Feed {
  /** Frames that the source was asked for, or that it pushed. */
  made = 0
  /** Most frames that were made and had not ended. */
  mostUnderWay = 0
  private stopping = false
  private readonly done: Promise<void>

  /**
   * @param frame  makes the frame of a sequence number
   * @param predictions  feeds the pipeline with what `next` gives, until that is undefined
   */
  constructor(
    readonly pipeline: Pipeline,
    frame: (sequence: number) => Tensors,
    predictions: (next: () => Tensors | undefined) => Observable<Prediction>,
  ) {
    const next = () => {
      if (this.stopping) return undefined
      const made = frame(this.made++)
      const { predicted, dropped, failed } = pipeline.counts()
      this.mostUnderWay = Math.max(this.mostUnderWay, this.made - predicted - dropped - failed)
      return made
    }
    this.done = new Promise((resolve, reject) => {
      predictions(next).subscribe({ complete: resolve, error: reject })
    })
    // Awaited at the end; should the test fail before, that failure is the one to report.
    this.done.catch(() => undefined)
  }

  /** Resolves when every frame has ended. */
  async stop(): Promise<void> {
    this.stopping = true
    await this.done
  }
}

/** The predictions of what `next` gives, as fast as it is pulled, until that is undefined. */
export function pulledFrames(
  pipeline: Pipeline,
  next: () => Tensors | undefined,
  deadlineMs: number,
): Observable<Prediction> {
  function* source(): Generator<Tensors> {
    for (let frame = next(); frame !== undefined; frame = next()) yield frame
  }
  return pipeline.pull(source()).pipe(pipeline.infer({ stream: 'a', deadlineMs }))
}

/** All that a pipeline tells of its frames from now on. */
export class Account {
  readonly entries: LedgerEntry[] = []
  readonly given: Prediction[] = []

  constructor({ ledger$, predictions$ }: Pipeline) {
    ledger$.subscribe(entry => this.entries.push(entry))
    predictions$.subscribe(prediction => this.given.push(prediction))
  }
}
