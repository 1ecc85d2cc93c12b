import { AdmissionQueue } from '../../core/admission-queue.js'
import { MillraceError } from '../../core/errors.js'
import { type FrameIdentity } from '../../core/frame.js'
import { type StreamJournal } from '../../core/journal.js'
import { Reorder } from '../../core/reorder.js'
import { tensorsBytes, type Tensors, type TensorSpec } from '../../core/tensor.js'
import { checkFrame, type FrameInput } from './check-frame.js'
import { DeferredFrame } from './deferred-frame.js'
import { type InferOptions } from './options.js'
import { type AdmittedFrame, type Prediction } from './prediction.js'
import { type FrameRecord, recordOf, type Restore } from './records.js'

/** What a stream does through its dispatcher. */
export interface FlowActions {
  inputs(): readonly TensorSpec[]
  /** The frame of this number; it is not admitted yet. */
  frame(sequence: number, tensors: Tensors): AdmittedFrame
  admit(frame: AdmittedFrame): void
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

/** Where the frames of a stream are kept until they have ended. */
export interface FlowJournal {
  readonly stream: StreamJournal
  /** Whether there is room for further frames. */
  hasRoom(): boolean
  readonly restore: Restore
}

/** A frame that waits to be sent. */
export interface QueuedFrame {
  readonly frame: AdmittedFrame
  /** Makes its tensors, where they are not there yet. */
  readonly load?: DeferredFrame['load'] | undefined
  /** ms since the Unix epoch. */
  readonly deadlineAt: number
  /** It is being written to the journal, and not admitted before it is there. */
  held: boolean
}

/** One stream of one `infer`: from what its source emits to the queue, and from results to their order. */
export class StreamFlow {
  private readonly queue: AdmissionQueue<QueuedFrame>
  private readonly reorder: Reorder<Prediction>
  /** Frames of a life before, which have their room already: they go first. */
  private restored: QueuedFrame[] = []
  private unsettled = 0
  private finished = false
  private ended = false

  constructor(
    readonly stream: string,
    readonly options: FlowOptions,
    public nextSequence: number,
    private readonly actions: FlowActions,
    private readonly journal?: FlowJournal,
  ) {
    const { delivery, order, maxQueuedBytes } = options
    this.queue = new AdmissionQueue({ delivery, maxFrames: longestQueue(options), maxBytes: maxQueuedBytes })
    this.reorder = new Reorder(order, journal?.stream.kept[0]?.sequence ?? nextSequence)
  }

  get isFreshest(): boolean {
    return this.options.delivery === 'freshest'
  }

  get queuedFrames(): number {
    return this.restored.length + this.queue.size
  }

  /** Whether its frames that have not ended outlive this dispatcher. */
  get journalled(): boolean {
    return this.journal !== undefined
  }

  /** Whether these cannot be told any more that they have ended. */
  get stuck(): boolean {
    return this.journal?.stream.failure !== undefined
  }

  /** Admits what the journal kept, under its identity; its time begins anew. */
  resume(): void {
    if (this.journal === undefined) return
    const { restore } = this.journal
    const { kept } = this.journal.stream
    const unended = new Set(kept.map(({ sequence }) => sequence))
    const first = kept[0]?.sequence ?? this.nextSequence
    for (let sequence = first; sequence < this.nextSequence; sequence++) {
      if (!unended.has(sequence)) this.reorder.settle(sequence, undefined)
    }
    this.restored = kept.map(one => {
      const frame = { ...this.actions.frame(one.sequence, {}), admittedAt: one.admittedAt }
      return this.queuedOf(frame, restore(one).load)
    })
    this.unsettled += kept.length
    for (const { frame } of this.restored) this.actions.admit(frame)
    this.actions.queued()
  }

  /** A frame that does not fit is admitted all the same, so that the ledger shows how it ended (promise 1). */
  offer(input: FrameInput | DeferredFrame): void {
    if (this.ended) return
    if (input instanceof DeferredFrame)
      return this.enqueue(this.queuedOf(this.number(), input.load), input.bytes, () => input.record)
    const checked = this.check(input)
    if (checked instanceof MillraceError) return this.reject(checked)
    const queued = this.queuedOf(this.number(checked))
    this.enqueue(queued, tensorsBytes(checked), () => recordOf(queued.frame))
  }

  /** A frame that fails at once. */
  reject(error: MillraceError): void {
    if (!this.ended) this.refuse(this.admitted(), error)
  }

  /** A frame that is dropped at once. */
  discard(reason: string): void {
    if (!this.ended) this.drop(this.admitted(), reason)
  }

  /** The next frame to send. */
  take(): QueuedFrame | undefined {
    return this.oldest?.held === true ? undefined : this.shift()
  }

  /** Of frames under way, that one has no prediction. */
  refuse(frame: FrameIdentity, error: MillraceError): void {
    this.actions.fail(frame, error)
    this.settleFailed(frame.sequence, error)
  }

  settle(sequence: number, prediction: Prediction | undefined): void {
    this.unsettled--
    for (const ready of this.reorder.settle(sequence, prediction)) {
      if (!this.ended) this.actions.deliver(ready)
    }
    this.completeIfDone()
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
    this.dropAll(this.clear())
  }

  /** Of frames under way: nobody listens any more. */
  dropAll(frames: readonly FrameIdentity[]): void {
    for (const frame of frames) this.actions.drop(frame, 'unsubscribed')
  }

  /** Lets go of all that waits, without an end: the journal has it. @returns none that is to be ended */
  leave(): FrameIdentity[] {
    this.reorder.clear()
    for (let next = this.shift(); next !== undefined; next = this.shift()) next.held = false
    return []
  }

  /** Takes all that waits to be sent or to be delivered. */
  clear(): FrameIdentity[] {
    const frames: FrameIdentity[] = this.reorder.clear()
    for (let next = this.shift(); next !== undefined; next = this.shift()) frames.push(this.release(next))
    return frames
  }

  /** Fails what has waited until its deadline. */
  expire(now: number): void {
    for (let next = this.oldest; next && next.deadlineAt <= now; next = this.oldest) {
      this.shift()
      this.refuse(this.release(next), this.late(next.frame.sequence))
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

  private get oldest(): QueuedFrame | undefined {
    return this.restored[0] ?? this.queue.oldest
  }

  private shift(): QueuedFrame | undefined {
    return this.restored.shift() ?? this.queue.take()
  }

  private number(tensors: Tensors = {}): AdmittedFrame {
    this.unsettled++
    return this.actions.frame(this.nextSequence++, tensors)
  }

  private admitted(): AdmittedFrame {
    const frame = this.number()
    this.actions.admit(frame)
    return frame
  }

  private queuedOf(frame: AdmittedFrame, load?: DeferredFrame['load']): QueuedFrame {
    return { frame, load, deadlineAt: Date.now() + this.options.deadlineMs, held: false }
  }

  /** Without a journal a frame is admitted at once, otherwise when that has it. */
  private enqueue(queued: QueuedFrame, bytes: number, recorded: () => FrameRecord | undefined): void {
    const { journal } = this
    const record = journal === undefined ? undefined : recorded()
    if (record === undefined) this.actions.admit(queued.frame)
    else queued.held = true
    if (journal?.hasRoom() === false) return this.overflow(queued)
    const { admitted, displaced } = this.queue.offer(queued, bytes)
    for (const { frame } of displaced) this.drop(frame, 'stale')
    if (!admitted) return this.overflow(queued)
    if (journal === undefined || record === undefined) this.actions.queued()
    else this.write(queued, journal, record)
  }

  private write(queued: QueuedFrame, journal: FlowJournal, record: FrameRecord): void {
    const { sequence, admittedAt } = queued.frame
    const written = () => {
      // It may have ended meanwhile.
      if (!queued.held) return
      this.release(queued)
      this.actions.queued()
    }
    journal.stream
      .admit({ sequence, admittedAt, ...record })
      .then(written, (error: unknown) => this.unwritten(queued, MillraceError.from(error)))
  }

  /** The journal takes no more frames: nor does the stream. What is in the journal stays there. */
  private unwritten(queued: QueuedFrame, error: MillraceError): void {
    if (!queued.held) return
    this.actions.fail(this.release(queued), error)
    this.abort(error)
  }

  /** Admits what waits no longer for the journal. */
  private release(queued: QueuedFrame): AdmittedFrame {
    if (queued.held) this.actions.admit(queued.frame)
    queued.held = false
    return queued.frame
  }

  private overflow(queued: QueuedFrame): void {
    const frame = this.release(queued)
    if (this.options.overflow === 'drop') this.drop(frame, 'overrun')
    else this.overrun(frame)
  }

  private overrun(frame: AdmittedFrame): void {
    const limits = `${longestQueue(this.options)} frames or ${this.options.maxQueuedBytes} bytes`
    const full =
      this.journal?.hasRoom() === false
        ? `stream '${this.stream}' pushed more than the journal has room for`
        : `stream '${this.stream}' pushed more than ${limits} ahead of the window`
    const error = new MillraceError('SOURCE_OVERRUN', full)
    this.actions.fail(frame, error)
    this.abort(error)
  }

  private settleFailed(sequence: number, error: MillraceError): void {
    if (this.options.failures === 'throw') return this.abort(error)
    this.settle(sequence, undefined)
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
