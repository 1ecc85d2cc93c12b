import {
  defer,
  finalize,
  Observable,
  type OperatorFunction,
  ReplaySubject,
  Subject,
  type Subscription as RxSubscription,
  takeWhile,
} from 'rxjs'
import { type Subscription } from '../../core/bus.js'
import { Cleanup } from '../../core/cleanup.js'
import { type Crash, type Plan } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type DispatcherJournal } from '../../core/journal.js'
import { Ledger, type LedgerCounts, type LedgerEntry } from '../../core/ledger.js'
import { type Link } from '../../core/link.js'
import { parseOptions } from '../../core/options.js'
import { type Topics } from '../../core/topics.js'
import { type FrameInput } from './check-frame.js'
import { type Epochs } from './entries.js'
import { inferOptions, type InferOptions, type InferOptionsInput } from './options.js'
import { type AdmittedFrame, type Prediction } from './prediction.js'
import { pullFrom } from './pull.js'
import { PushStream, UNWATCHED, type Watcher } from './push-stream.js'
import { type Restore, restoreTensors } from './records.js'
import { Room, stopped } from './room.js'
import { type FlowActions, type FlowJournal, type FlowOptions, StreamFlow } from './stream-flow.js'
import { Streams } from './streams.js'
import { MACHINE_TIME, type Time } from './time.js'
import { Traffic } from './traffic.js'

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
  /** Crashes of processes that run stages, of this pipeline or another. */
  readonly crash$: Observable<Crash>
  readonly onTrouble: (error: MillraceError) => void
  /** Where frames of lossless streams are kept until they have ended, or why these have no place there. */
  readonly journal?: DispatcherJournal | MillraceError | undefined
  /** Default: the machine's. */
  readonly time?: Time
}

const CHECK_MS = 100
const FAREWELL_MS = 1_000

/**
 * Admits frames and delivers predictions of one pipeline: it holds every admitted frame until that has ended, has at
 * most a window of them under way, and sends again what a change of plan, a broken link or a crash left behind.
 */
export class Dispatcher {
  /** Every admitted frame. */
  readonly frames$ = new Subject<AdmittedFrame>()
  /** Every delivered prediction, in the order of delivery. */
  readonly predictions$ = new Subject<Prediction>()
  /** The plan in force, epoch by epoch. */
  readonly plan$ = new ReplaySubject<Plan>(1)
  private readonly ledger = new Ledger()
  private readonly streams = new Streams()
  private readonly traffic: Traffic
  private readonly watching: RxSubscription[]
  private readonly stopChecking: () => void
  private readonly journal: DispatcherJournal | undefined
  private readonly room = new Room(
    () => this.journal?.hasRoom !== false && this.traffic.hasRoom(this.streams.queuedFrames),
  )
  private readonly farewells = new Cleanup(FAREWELL_MS)
  private inbox: Subscription | undefined
  /** Sources that are held back. Of which streams they are is not known: no stream waits beyond the window then. */
  private pulls = 0
  private closed = false

  private constructor(
    private readonly parts: DispatcherParts,
    plan: Plan,
  ) {
    const { id, pipeline, link, onTrouble, time = MACHINE_TIME } = parts
    this.journal = parts.journal instanceof MillraceError ? undefined : parts.journal
    this.traffic = new Traffic(plan, {
      ...{ id, link, now: () => time.now(), onTrouble },
      takeNext: () => this.streams.takeNext(this.pulls > 0 || this.traffic.hasFreshRoom),
      predicted: ({ flow, identity }, prediction) => flow.settle(identity.sequence, prediction),
      failed: ({ flow, identity }, error) => flow.refuse(identity, error),
      duplicate: () => this.ledger.duplicate(),
      adopted: next => this.plan$.next(next),
      moved: () => this.room.wake(),
    })
    this.plan$.next(plan)
    this.watching = [
      parts.plan$.subscribe(next => this.traffic.adopt(next)),
      parts.restored$.subscribe(() => this.traffic.replay()),
      parts.crash$.subscribe(crash => {
        if (crash.pipeline === pipeline) this.traffic.crashed(crash)
      }),
    ]
    this.stopChecking = time.every(CHECK_MS, () => this.check())
  }

  static async start(parts: DispatcherParts, plan: Plan): Promise<Dispatcher> {
    const dispatcher = new Dispatcher(parts, plan)
    const topic = parts.topics.data.results(parts.pipeline, parts.id)
    try {
      dispatcher.inbox = await parts.link.listen({ topic }, message => dispatcher.traffic.receive(message))
      return dispatcher
    } catch (error) {
      await dispatcher.close()
      throw error
    }
  }

  /** How each frame ended. */
  get ledger$(): Observable<LedgerEntry> {
    return this.ledger.entries$
  }

  /** Under which plans its frames are, the current state first. */
  get epochs$(): Observable<Epochs> {
    return this.traffic.epochs$
  }

  counts(): LedgerCounts {
    return this.ledger.counts()
  }

  /** What is to be done when all frames have ended, before it is closed; for a second at most. */
  beforeEnd(what: string, act: () => Promise<unknown>): void {
    this.farewells.defer(what, act)
  }

  /**
   * Frames in, predictions out. With a journal, predictions of frames that it kept of a lossless stream of this name come
   * first. RxJS cannot hold a source back that pushes: what it pushes waits in a bounded queue, and
   * `pull` gives a source that is held back. A frame that fails shows in the ledger and has no prediction.
   * @throws OPTION_UNKNOWN, OPTION_INVALID; and through the observable SOURCE_OVERRUN: the queue of a lossless stream is
   *   full; JOURNAL_FAILED, JOURNAL_IN_USE; STOPPED: the dispatcher was closed
   */
  infer(options: InferOptionsInput = {}): OperatorFunction<FrameInput, Prediction> {
    const parsed = parseOptions(inferOptions, options, 'infer')
    return source =>
      new Observable(subscriber => {
        const opened = { ...parsed, overflow: 'throw' } as const
        const flow = this.openFlow(opened, subscriber, this.journalOf(parsed, restoreTensors))
        flow.resume()
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
   * @param restore  what a journal kept; then it is told by `ended` of each frame that it has ended
   * @throws OPTION_UNKNOWN, OPTION_INVALID, JOURNAL_IN_USE, STOPPED
   */
  push(options: Omit<InferOptionsInput, 'failures'> = {}, restore: Restore = restoreTensors): PushStream {
    const parsed: InferOptions = parseOptions(inferOptions, options, 'push')
    const journal = this.journalOf(parsed, restore)
    const opened = { ...parsed, failures: 'ledger', overflow: 'drop' } as const
    // Who answers for its frames says when they have.
    const flow = this.openFlow(opened, UNWATCHED, journal, () => {})
    flow.resume()
    return new PushStream(flow, journal?.stream, () => this.closeFlow(flow))
  }

  /** The sequence number of the next frame of a stream, at which a source that can go back goes on after a crash. */
  nextSequence(stream: string): number {
    return Math.max(this.streams.nextOf(stream), this.journal?.nextOf(stream) ?? 0)
  }

  /**
   * The items of `source`, each pulled only when the window has room, so that a source of any length is held back; fails
   * with STOPPED when the dispatcher was closed.
   * Asynchronous work on an item belongs into `source` itself (an async generator): operators between here and `infer`
   * that wait would hide from it how many frames are coming.
   */
  pull<T>(source: Iterable<T> | AsyncIterable<T>): Observable<T> {
    return defer(() => {
      this.pulls++
      return pullFrom(source, () => this.room.wait()).pipe(finalize(() => this.pulls--))
    })
  }

  /**
   * Ends every frame that has not ended, as failed with STOPPED, and every stream with that error. What a journal has ends
   * in the life of the next dispatcher.
   */
  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    this.stopChecking()
    for (const subscription of this.watching) subscription.unsubscribe()
    const error = stopped()
    const flows = this.streams.all()
    const waiting = flows.flatMap(flow => (flow.journalled ? flow.leave() : flow.clear()))
    const kept = new Set(flows.flatMap(({ journalled, stream }) => (journalled ? [stream] : [])))
    for (const frame of [...this.traffic.close(), ...waiting]) {
      if (!kept.has(frame.stream)) this.ledger.failed(frame, error.toInfo(), Date.now())
    }
    for (const flow of flows) flow.abort(error)
    this.room.close()
    await this.inbox?.close().catch(() => undefined)
    await this.farewells.run()
    for (const subject of [this.frames$, this.predictions$, this.plan$]) subject.complete()
    this.ledger.close()
    this.journal?.release()
  }

  /** @param ended  is told of each frame whose end the journal is to know */
  private openFlow(
    options: FlowOptions,
    watcher: Watcher,
    journal?: FlowJournal,
    ended = (sequence: number) => journal?.stream.end(sequence),
  ): StreamFlow {
    if (this.closed) throw stopped()
    const actions = (stream: string): FlowActions => ({
      inputs: () => this.traffic.plan.inputs,
      frame: (sequence, tensors) => {
        return { dispatcher: this.parts.id, stream, sequence, admittedAt: Date.now(), tensors }
      },
      admit: frame => this.admit(frame),
      drop: (identity, reason) => {
        this.ledger.dropped(identity, reason, Date.now())
        ended(identity.sequence)
      },
      fail: (identity, error) => {
        this.ledger.failed(identity, error.toInfo(), Date.now())
        ended(identity.sequence)
      },
      queued: () => this.traffic.pump(),
      deliver: prediction => {
        this.ledger.predicted(prediction, Date.now())
        this.predictions$.next(prediction)
        watcher.next(prediction)
        ended(prediction.sequence)
      },
      complete: () => watcher.complete(),
      error: error => watcher.error(error),
    })
    return this.streams.open(options.stream, (stream, next) => {
      const first = Math.max(next, journal?.stream.nextSequence ?? 0)
      return new StreamFlow(stream, options, first, actions(stream), journal)
    })
  }

  /** @returns undefined for a stream that no journal is to have */
  private journalOf({ stream, delivery }: InferOptions, restore: Restore): FlowJournal | undefined {
    const { journal } = this.parts
    if (journal === undefined || delivery === 'freshest') return undefined
    if (journal instanceof MillraceError) throw journal
    if (stream === undefined) {
      const why = 'with a journal a lossless stream needs a name, under which it goes on after a crash'
      throw new MillraceError('OPTION_INVALID', `${why}: infer({ stream: NAME })`)
    }
    const opened = journal.stream(stream)
    if (opened.failure !== undefined) throw opened.failure
    return { stream: opened, restore, hasRoom: () => journal.hasRoom }
  }

  private closeFlow(flow: StreamFlow): void {
    this.streams.close(flow)
    const { stuck } = flow
    if (stuck) flow.leave()
    else flow.cancel()
    const underWay = this.traffic.drop(flow.stream)
    if (!stuck) flow.dropAll(underWay)
    this.traffic.pump()
  }

  private admit(frame: AdmittedFrame): void {
    this.ledger.admit(frame, frame.admittedAt)
    this.frames$.next(frame)
  }

  private check(): void {
    this.traffic.check()
    const now = Date.now()
    for (const flow of this.streams.all()) flow.expire(now)
  }
}
