import { type Observable } from 'rxjs'
import { type LedgerEntry, type Pipeline, type Prediction } from '../../config/index.js'
import { type Tensors } from '../../core/tensor.js'

/** A stream of one pipeline that goes on until it is stopped, and what became of its frames. */
export class Feed {
  /** Frames that the source was asked for, or that it pushed. */
  made = 0
  /** Most frames that were made and had not ended. */
  mostUnderWay = 0
  readonly entries: LedgerEntry[] = []
  readonly given: Prediction[] = []
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
    pipeline.ledger$.subscribe(entry => this.entries.push(entry))
    const next = () => {
      if (this.stopping) return undefined
      const made = frame(this.made++)
      this.mostUnderWay = Math.max(this.mostUnderWay, this.made - this.entries.length)
      return made
    }
    this.done = new Promise((resolve, reject) => {
      predictions(next).subscribe({
        next: prediction => this.given.push(prediction),
        complete: resolve,
        error: reject,
      })
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
