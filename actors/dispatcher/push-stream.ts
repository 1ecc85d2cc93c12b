import { type MillraceError } from '../../core/errors.js'
import { type StreamJournal } from '../../core/journal.js'
import { type FrameInput } from './check-frame.js'
import { type DeferredFrame } from './deferred-frame.js'
import { type Prediction } from './prediction.js'
import { type StreamFlow } from './stream-flow.js'

/** Who is told what comes of one stream. */
export interface Watcher {
  next(prediction: Prediction): void
  complete(): void
  error(error: unknown): void
}

/** Of a stream whose predictions are seen among those of all. */
export const UNWATCHED: Watcher = { next: () => {}, complete: () => {}, error: () => {} }

/** A stream that frames are pushed into one by one, by a source that cannot be held back. */
export class PushStream {
  constructor(
    private readonly flow: StreamFlow,
    /** Where its frames are kept until `ended` is called. */
    readonly journal: StreamJournal | undefined,
    private readonly end: () => void,
  ) {}

  /** The sequence number of the next frame; each call below admits one. */
  get nextSequence(): number {
    return this.flow.nextSequence
  }

  /** One that the queue has no room for is dropped as `overrun`; with delivery `freshest`, the oldest one as `stale`. */
  offer(input: FrameInput | DeferredFrame): void {
    this.flow.offer(input)
  }

  /** A frame that fails at once. */
  reject(error: MillraceError): void {
    this.flow.reject(error)
  }

  /** A frame that is dropped at once. */
  discard(reason: string): void {
    this.flow.discard(reason)
  }

  /** All is done that was to be done about a frame: the journal may forget it. */
  ended(sequence: number): void {
    this.journal?.end(sequence)
  }

  /** What has not ended is dropped as `unsubscribed`. */
  close(): void {
    this.end()
  }
}
