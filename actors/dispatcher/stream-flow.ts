import { AdmissionQueue } from '../../core/admission-queue.js'
import { MillraceError } from '../../core/errors.js'
import { type FrameIdentity } from '../../core/frame.js'
import { Reorder } from '../../core/reorder.js'
import { tensorsBytes, type Tensors, type TensorSpec } from '../../core/tensor.js'
import { checkFrame, type FrameInput } from './check-frame.js'
import { DeferredFrame } from './deferred-frame.js'
import { type InferOptions } from './options.js'
import { type AdmittedFrame, type Prediction } from './prediction.js'

/** What a stream does through its dispatcher. */
export interface FlowActions {
  inputs(): readonly TensorSpec[]
  admit(sequence: number, tensors: Tensors): AdmittedFrame
  drop(identity: FrameIdentity, reason: string): void
  fail(identity: FrameIdentity, error: MillraceError): void
  /** A frame waits to be sent. */
  queued(): void
  deliver(prediction: Prediction): void
  complete(): void
  error(error: unknown): void
}

export interface FlowOptions extends InferOptions {
  /** What comes of a frame that a lossless stream has no room for: it ends the stream, or is dropped alone. */
  readonly overflow: 'throw' | 'drop'
}

/** A frame that waits to be sent. */
export interface QueuedFrame {
  readonly frame: AdmittedFrame
  /** Makes its tensors, where they are not there yet. */
  readonly load?: DeferredFrame['load']
}

/** One stream of one `infer`: from what its source emits to the queue, and from results to their order. */
export class StreamFlow {
  private readonly queue: AdmissionQueue<QueuedFrame>
  private readonly reorder: Reorder<Prediction>
  private unsettled = 0
  private finished = false
  private ended = false

  constructor(
    readonly stream: string,
    readonly options: FlowOptions,
    public nextSequence: number,
    private readonly actions: FlowActions,
  ) {
    const { delivery, order, maxQueuedBytes } = options
    this.queue = new AdmissionQueue({ delivery, maxFrames: longestQueue(options), maxBytes: maxQueuedBytes })
    this.reorder = new Reorder(order, nextSequence)
  }

  get queuedFrames(): number {
    return this.queue.size
  }

  /** A frame that does not fit is admitted all the same, so that the ledger shows how it ended (promise 1). */
  offer(input: FrameInput | DeferredFrame): void {
    if (this.ended) return
    if (input instanceof DeferredFrame)
      return this.enqueue({ frame: this.admit(), load: input.load }, input.bytes)
    const checked = this.check(input)
    if (checked instanceof MillraceError) this.reject(checked)
    else this.enqueue({ frame: this.admit(checked) }, tensorsBytes(checked))
  }

  /** A frame that fails at once. */
  reject(error: MillraceError): void {
    if (!this.ended) this.refuse(this.admit(), error)
  }

  /** A frame that is dropped at once. */
  discard(reason: string): void {
    if (!this.ended) this.drop(this.admit(), reason)
  }

  /** The next frame to send. */
  take(): QueuedFrame | undefined {
    return this.queue.take()
  }

  settle(sequence: number, prediction: Prediction | undefined): void {
    this.unsettled--
    for (const ready of this.reorder.settle(sequence, prediction)) {
      if (!this.ended) this.actions.deliver(ready)
    }
    this.completeIfDone()
  }

  settleFailed(sequence: number, error: MillraceError): void {
    if (this.options.failures === 'throw') return this.abort(error)
    this.settle(sequence, undefined)
  }

  /** The source is complete: so is the stream when all its frames have ended. */
  finish(): void {
    this.finished = true
    this.completeIfDone()
  }

  abort(error: unknown): void {
    if (this.ended) return
    this.ended = true
    this.actions.error(error)
  }

  /** Nobody listens any more: what waits is dropped. */
  cancel(): void {
    this.ended = true
    for (const frame of this.clear()) this.actions.drop(frame, 'unsubscribed')
  }

  /** Takes all that waits to be sent or to be delivered. */
  clear(): FrameIdentity[] {
    const frames: FrameIdentity[] = this.reorder.clear()
    for (let next = this.queue.take(); next !== undefined; next = this.queue.take()) frames.push(next.frame)
    return frames
  }

  /** Fails what has waited until its deadline. */
  expire(now: number): void {
    const isLate = (frame: AdmittedFrame) => frame.admittedAt + this.options.deadlineMs <= now
    for (let frame = this.oldest; frame && isLate(frame); frame = this.oldest) {
      this.queue.take()
      this.refuse(frame, this.late(frame.sequence))
    }
  }

  /** What a frame fails with at its deadline. */
  late(sequence: number): MillraceError {
    const { stream, options } = this
    return new MillraceError(
      'FRAME_DEADLINE',
      `frame ${stream}/${sequence} had no result in ${options.deadlineMs} ms`,
    )
  }

  private check(input: FrameInput): Tensors | MillraceError {
    try {
      return checkFrame(input, this.actions.inputs())
    } catch (error) {
      return MillraceError.from(error, 'TENSOR_INVALID')
    }
  }

  private get oldest(): AdmittedFrame | undefined {
    return this.queue.oldest?.frame
  }

  private admit(tensors: Tensors = {}): AdmittedFrame {
    this.unsettled++
    return this.actions.admit(this.nextSequence++, tensors)
  }

  private enqueue(queued: QueuedFrame, bytes: number): void {
    const { admitted, displaced } = this.queue.offer(queued, bytes)
    for (const { frame } of displaced) this.drop(frame, 'stale')
    if (admitted) return this.actions.queued()
    if (this.options.overflow === 'drop') return this.drop(queued.frame, 'overrun')
    this.overrun(queued.frame)
  }

  private overrun(frame: AdmittedFrame): void {
    const limits = `${longestQueue(this.options)} frames or ${this.options.maxQueuedBytes} bytes`
    const full = `stream '${this.stream}' pushed more than ${limits}`
    const error = new MillraceError('SOURCE_OVERRUN', `${full} ahead of the window`)
    this.actions.fail(frame, error)
    this.abort(error)
  }

  private refuse(frame: AdmittedFrame, error: MillraceError): void {
    this.actions.fail(frame, error)
    this.settleFailed(frame.sequence, error)
  }

  private drop(frame: AdmittedFrame, reason: string): void {
    this.actions.drop(frame, reason)
    this.settle(frame.sequence, undefined)
  }

  private completeIfDone(): void {
    if (!this.finished || this.unsettled > 0 || this.ended) return
    this.ended = true
    this.actions.complete()
  }
}

/** A frame that has waited behind many others is not fresh. */
function longestQueue({ delivery, maxQueuedFrames }: InferOptions): number {
  return maxQueuedFrames ?? (delivery === 'freshest' ? 1 : 1_024)
}
