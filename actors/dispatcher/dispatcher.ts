import {
  Observable,
  type OperatorFunction,
  ReplaySubject,
  Subject,
  type Subscription as RxSubscription,
  takeWhile,
} from 'rxjs'
import { type BusMessage, type Subscription } from '../../core/bus.js'
import { decodeEnvelope, decodeHeader } from '../../core/codec/index.js'
import { type Plan } from '../../core/control.js'
import { MillraceError } from '../../core/errors.js'
import { type FrameIdentity, identityKey } from '../../core/frame.js'
import { Ledger, type LedgerCounts, type LedgerEntry } from '../../core/ledger.js'
import { type Link } from '../../core/link.js'
import { parseOptions } from '../../core/options.js'
import { type Topics } from '../../core/topics.js'
import { checkFrame, type FrameInput } from './check-frame.js'
import { Entry } from './entry.js'
import { InFlight, type SentFrame } from './in-flight.js'
import { inferOptions, type InferOptions, type InferOptionsInput } from './options.js'
import { type AdmittedFrame, type Prediction, predictionOf } from './prediction.js'
import { pullFrom } from './pull.js'
import { PushStream, UNWATCHED, type Watcher } from './push-stream.js'
import { Room, stopped } from './room.js'
import { type FlowOptions, type QueuedFrame, StreamFlow } from './stream-flow.js'
import { Streams } from './streams.js'

export interface DispatcherParts {
  /** Names its inbox and its frames; its own among all dispatchers of the cluster. */
  readonly id: string
  readonly pipeline: string
  readonly topics: Topics
  readonly link: Link
  /** Plans in force, the current one first. */
  readonly plan$: Observable<Plan>
  /** Each time the link is whole again after a break. */
  readonly restored$: Observable<void>
  readonly onTrouble: (error: MillraceError) => void
}

const DEADLINE_CHECK_MS = 100

/**
 * Admits frames and delivers predictions of one pipeline: it holds every admitted frame until that has ended, has at
 * most a window of them under way, and sends again what a change of plan or a broken link left behind.
 */
export class Dispatcher {
  /** Every admitted frame. */
  readonly frames$ = new Subject<AdmittedFrame>()
  /** Every delivered prediction, in the order of delivery. */
  readonly predictions$ = new Subject<Prediction>()
  /** The plan in force, epoch by epoch. */
  readonly plan$ = new ReplaySubject<Plan>(1)
  private readonly ledger = new Ledger()
  private readonly inFlight = new InFlight()
  private readonly streams = new Streams()
  private readonly watching: RxSubscription[]
  private readonly deadlines: NodeJS.Timeout
  private readonly room = new Room(() => this.hasRoom())
  private inbox: Subscription | undefined
  private entry: Entry
  private closed = false

  private constructor(
    private readonly parts: DispatcherParts,
    plan: Plan,
  ) {
    this.entry = new Entry(plan, parts.link)
    this.plan$.next(plan)
    this.watching = [
      parts.plan$.subscribe(next => this.adopt(next)),
      parts.restored$.subscribe(() => this.replay()),
    ]
    this.deadlines = setInterval(() => this.expire(), DEADLINE_CHECK_MS)
  }

  static async start(parts: DispatcherParts, plan: Plan): Promise<Dispatcher> {
    const dispatcher = new Dispatcher(parts, plan)
    const topic = parts.topics.data.results(parts.pipeline, parts.id)
    dispatcher.inbox = await parts.link.listen({ topic }, message => dispatcher.receive(message))
    return dispatcher
  }

  /** How each frame ended. */
  get ledger$(): Observable<LedgerEntry> {
    return this.ledger.entries$
  }

  counts(): LedgerCounts {
    return this.ledger.counts()
  }

  /**
   * Frames in, predictions out. RxJS cannot hold a source back that pushes: what it pushes waits in a bounded queue, and
   * `pull` gives a source that is held back. A frame that fails shows in the ledger and has no prediction.
   * @throws OPTION_UNKNOWN, OPTION_INVALID; and through the observable SOURCE_OVERRUN: the queue of a lossless stream is
   *   full; STOPPED: the dispatcher was closed
   */
  infer(options: InferOptionsInput = {}): OperatorFunction<FrameInput, Prediction> {
    const parsed = parseOptions(inferOptions, options, 'infer')
    return source =>
      new Observable(subscriber => {
        const flow = this.openFlow({ ...parsed, overflow: 'throw' }, subscriber)
        // A source that pushes at once goes on after an error, unless it is stopped from within.
        const wanted = source.pipe(takeWhile(() => !subscriber.closed))
        const subscription = wanted.subscribe({
          next: frame => flow.offer(frame),
          error: error => flow.abort(error),
          complete: () => flow.finish(),
        })
        return () => {
          subscription.unsubscribe()
          this.closeFlow(flow)
        }
      })
  }

  /**
   * A stream for a source that cannot be held back: what its queue has no room for is dropped. What comes of its frames
   * shows in `predictions$` and in the ledger.
   * @throws OPTION_UNKNOWN, OPTION_INVALID, STOPPED
   */
  push(options: Omit<InferOptionsInput, 'failures'> = {}): PushStream {
    const parsed: InferOptions = parseOptions(inferOptions, options, 'push')
    const flow = this.openFlow({ ...parsed, failures: 'ledger', overflow: 'drop' }, UNWATCHED)
    return new PushStream(flow, () => this.closeFlow(flow))
  }

  /**
   * The items of `source`, each pulled only when the window has room, so that a source of any length is held back; fails
   * with STOPPED when the dispatcher was closed.
   * Asynchronous work on an item belongs into `source` itself (an async generator): operators between here and `infer`
   * that wait would hide from it how many frames are coming.
   */
  pull<T>(source: Iterable<T> | AsyncIterable<T>): Observable<T> {
    return pullFrom(source, () => this.room.wait())
  }

  /** Ends every frame that has not ended, as failed with STOPPED, and every stream with that error. */
  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    clearInterval(this.deadlines)
    for (const subscription of this.watching) subscription.unsubscribe()
    const error = stopped()
    const waiting = this.streams.all().flatMap(flow => flow.clear())
    for (const frame of [...this.inFlight.all().map(sent => sent.frame), ...waiting]) {
      this.ledger.failed(frame, error.toInfo(), Date.now())
    }
    this.inFlight.clear()
    for (const flow of this.streams.all()) flow.abort(error)
    this.room.close()
    await this.inbox?.close().catch(() => undefined)
    for (const subject of [this.frames$, this.predictions$, this.plan$]) subject.complete()
    this.ledger.close()
  }

  private openFlow(options: FlowOptions, watcher: Watcher): StreamFlow {
    if (this.closed) throw stopped()
    const create = (stream: string, firstSequence: number) =>
      new StreamFlow(stream, options, firstSequence, {
        inputs: () => this.entry.plan.inputs,
        admit: (sequence, tensors) => this.admit(stream, sequence, tensors),
        drop: (identity, reason) => this.ledger.dropped(identity, reason, Date.now()),
        fail: (identity, error) => this.ledger.failed(identity, error.toInfo(), Date.now()),
        queued: () => this.pump(),
        deliver: prediction => {
          this.ledger.predicted(prediction, Date.now())
          this.predictions$.next(prediction)
          watcher.next(prediction)
        },
        complete: () => watcher.complete(),
        error: error => watcher.error(error),
      })
    return this.streams.open(options.stream, create)
  }

  private closeFlow(flow: StreamFlow): void {
    this.streams.close(flow)
    flow.cancel()
    for (const frame of this.inFlight.ofStream(flow.stream)) {
      this.inFlight.end(frame.key)
      this.ledger.dropped(frame.identity, 'unsubscribed', Date.now())
    }
    this.pump()
  }

  private admit(stream: string, sequence: number, tensors: AdmittedFrame['tensors']): AdmittedFrame {
    const identity: FrameIdentity = { dispatcher: this.parts.id, stream, sequence }
    const frame: AdmittedFrame = { ...identity, admittedAt: Date.now(), tensors }
    this.ledger.admit(identity, frame.admittedAt)
    this.frames$.next(frame)
    return frame
  }

  /** Sends queued frames while the window has room (promise 8), one stream after the other. */
  private pump(): void {
    while (!this.closed && this.inFlight.size < this.entry.credits) {
      const next = this.streams.takeNext()
      if (next === undefined) break
      this.launch(this.inFlight.begin(next.queued, next.flow), next.queued)
    }
    this.room.wake()
  }

  private launch(sent: SentFrame, { load }: QueuedFrame): void {
    if (load === undefined) return this.send(sent)
    const loaded = Promise.resolve().then(load)
    loaded
      .then(input => this.fill(sent, input))
      .catch((error: unknown) => this.fail(sent, MillraceError.from(error)))
  }

  /** The plan may have changed, and the frame may have ended, while its tensors were made. */
  private fill(sent: SentFrame, input: FrameInput): void {
    if (this.inFlight.get(sent.key) !== sent) return
    sent.tensors = checkFrame(input, this.entry.plan.inputs)
    this.send(sent)
  }

  private send(sent: SentFrame): void {
    const left = this.entry.send(sent)
    if (left instanceof MillraceError) return this.fail(sent, left)
    left.catch((error: unknown) => this.parts.onTrouble(MillraceError.from(error)))
  }

  private receive({ payload, owned }: BusMessage): void {
    try {
      const header = decodeHeader(payload)
      if (header.epoch !== this.entry.plan.epoch) return
      const key = identityKey(header)
      const sent = this.inFlight.get(key)
      if (sent === undefined) return this.ledger.duplicate()
      if (header.error !== undefined) return this.fail(sent, MillraceError.fromInfo(header.error))
      const envelope = decodeEnvelope(owned ? payload : new Uint8Array(payload))
      this.predict(sent, predictionOf(envelope, payload.byteLength, Date.now()))
    } catch (error) {
      this.parts.onTrouble(MillraceError.from(error, 'ENVELOPE_INVALID'))
    }
  }

  private predict(sent: SentFrame, prediction: Prediction): void {
    this.inFlight.end(sent.key)
    this.entry.answered(sent)
    sent.flow.settle(sent.identity.sequence, prediction)
    this.pump()
  }

  /** Nothing for a frame that has ended, as all of a stream do when one ends it. */
  private fail({ key, flow, identity }: SentFrame, error: MillraceError): void {
    if (!this.inFlight.end(key)) return
    this.ledger.failed(identity, error.toInfo(), Date.now())
    flow.settleFailed(identity.sequence, error)
    this.pump()
  }

  private expire(): void {
    const now = Date.now()
    for (const sent of this.inFlight.expired(now)) this.fail(sent, sent.flow.late(sent.identity.sequence))
    for (const flow of this.streams.all()) flow.expire(now)
  }

  /** Every frame under way starts anew; what the old epoch still gives is not taken (promise 7). */
  private adopt(plan: Plan): void {
    const { term, epoch } = this.entry.plan
    // Epochs grow within a term, and begin anew with one that found nothing retained.
    if (plan.term < term || (plan.term === term && plan.epoch <= epoch)) return
    const before = this.entry
    this.entry = new Entry(plan, this.parts.link)
    void before.close()
    this.plan$.next(plan)
    this.replay()
    this.pump()
  }

  private replay(): void {
    for (const sent of this.inFlight.all()) if (sent.tensors !== undefined) this.send(sent)
  }

  private hasRoom(): boolean {
    return this.inFlight.size + this.streams.queuedFrames < this.entry.credits
  }
}
