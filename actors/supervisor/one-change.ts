import { MillraceError } from '../../core/errors.js'

/** Something that is done to a pipeline. */
export interface Change {
  /** The deployment that it carries out; undefined where it mends or betters what is there. */
  readonly deployment: string | undefined
  /** What it does can wait: when workers are lost, they come first. */
  readonly yields: boolean
  /** Whether there is no need for it any more. */
  readonly isNeedless?: () => boolean
}

interface Running extends Change {
  readonly abort: AbortController
  /** Settles when it has ended, however. */
  readonly done: Promise<void>
}

/** What is being done to a pipeline: one thing at a time, of which the newest counts. */
export class OneChange {
  private running: Running | undefined

  constructor(private readonly onTrouble: (error: MillraceError) => void) {}

  get isNone(): boolean {
    return this.running === undefined
  }

  /** Whether something is being done that may not wait. */
  get isUrgent(): boolean {
    return this.running?.yields === false
  }

  carriesOut(deployment: string): boolean {
    return this.running?.deployment === deployment
  }

  /**
   * Has what is being done end, and does this.
   * @param then  called when it has ended by itself
   */
  begin(change: Change, work: (signal: AbortSignal) => Promise<void>, then: () => void): void {
    const previous = this.running
    previous?.abort.abort()
    const abort = new AbortController()
    const run = async () => {
      await previous?.done
      try {
        if (!abort.signal.aborted) await work(abort.signal)
      } finally {
        if (this.running?.abort === abort) this.running = undefined
      }
      if (!abort.signal.aborted) then()
    }
    const done = run().catch((error: unknown) => this.onTrouble(MillraceError.from(error)))
    this.running = { ...change, abort, done }
  }

  /** From now on it can wait. */
  mayWait(signal: AbortSignal): void {
    if (this.running?.abort.signal === signal) this.running = { ...this.running, yields: true }
  }

  /** Has it end where there is no need for it any more. */
  abandonNeedless(): void {
    if (this.running?.isNeedless?.() === true) this.running.abort.abort()
  }

  /** Resolves when it has ended. */
  async stop(): Promise<void> {
    this.running?.abort.abort()
    await this.running?.done
  }
}
