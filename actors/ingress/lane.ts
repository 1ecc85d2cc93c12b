import { type Subscription as RxSubscription } from 'rxjs'
import { type Plan } from '../../core/control/index.js'
import { type ErrorInfo, MillraceError } from '../../core/errors.js'
import { type DispatcherJournal, type KeptFrame } from '../../core/journal.js'
import { type LedgerCounts, type LedgerEntry } from '../../core/ledger.js'
import { IMAGE_DEFAULTS, type SensorSettings } from '../../core/sensing/index.js'
import { DeferredFrame, type Dispatcher, type Prediction } from '../dispatcher/index.js'
import { type Answers } from './answers.js'
import { type Arrival } from './arrival.js'
import { type Budget } from './budget.js'
import { type Decode } from './decode.js'
import { noteFor, noteOf } from './frame-note.js'
import { FrameIds } from './frame-ids.js'
import { type IngressOptions } from './options.js'
import { type FrameNote } from './results.js'
import { type OpenFrame, SensorStream, type Verdict } from './sensor-stream.js'

export interface LaneParts {
  readonly dispatcher: Dispatcher
  readonly answers: Answers
  readonly budget: Budget
  readonly decode: Decode
  readonly options: IngressOptions
  readonly journal?: DispatcherJournal | undefined
  /** Is told of each frame that waited for room what became of it. */
  readonly confirm: (arrival: Arrival, outcome: 'taken' | 'answered') => void
}

/** Of a pipeline that was deployed without any. */
const DEFAULTS: SensorSettings = {
  delivery: 'lossless',
  order: 'admission',
  queueFrames: 256,
  deadlineMs: 30_000,
  topK: 5,
  raw: 'large',
  image: IMAGE_DEFAULTS,
}

/** One pipeline as sensors see it: their streams, the dispatcher behind these, and the answers. */
export class Lane {
  /** Frames that came again under an id that is remembered. */
  duplicates = 0
  /** The one that was used last comes last. */
  private readonly streams = new Map<string, SensorStream>()
  private readonly watching: RxSubscription[]
  private plan: Plan

  constructor(
    private readonly pipeline: string,
    plan: Plan,
    private readonly parts: LaneParts,
  ) {
    this.plan = plan
    const { dispatcher } = parts
    this.watching = [
      dispatcher.plan$.subscribe(next => (this.plan = next)),
      dispatcher.predictions$.subscribe(prediction => this.predicted(prediction)),
      dispatcher.ledger$.subscribe(entry => this.ended(entry)),
    ]
    for (const stream of parts.journal?.unfinished ?? []) this.streamOf(stream)
  }

  counts(): LedgerCounts {
    return this.parts.dispatcher.counts()
  }

  /**
   * @returns `answered`: an answer is on its way; `held`: it waits for room, unconfirmed; otherwise it is with the
   *   dispatcher, or came again
   */
  offer(arrival: Arrival): 'taken' | 'answered' | 'held' {
    const stream = this.streamOf(arrival.stream)
    if (stream === undefined) return this.refuse(arrival)
    if (stream.journalled && (stream.backlog.length > 0 || this.isFull(stream)) && this.back(stream, arrival))
      return 'held'
    return this.admit(stream, arrival)
  }

  /** Frames that have not ended fail with STOPPED. */
  async close(): Promise<void> {
    await this.parts.dispatcher.close()
    for (const subscription of this.watching) subscription.unsubscribe()
  }

  private admit(stream: SensorStream, arrival: Arrival): 'taken' | 'answered' {
    if (stream.isNew(arrival)) return stream.admit(arrival, this.judge(arrival)) ? 'taken' : 'answered'
    this.duplicates++
    return 'taken'
  }

  /** A sensor's message that is not confirmed is kept by the broker: it need not be dropped for want of room. */
  private isFull(stream: SensorStream): boolean {
    return this.parts.journal?.hasRoom === false || stream.size >= this.settings.queueFrames
  }

  private back(stream: SensorStream, arrival: Arrival): boolean {
    const release = this.parts.budget.hold(arrival.payload.byteLength)
    if (release !== undefined) stream.backlog.push({ arrival, release })
    return release !== undefined
  }

  /** Takes what waits for room, where there is some. */
  drain(): void {
    for (const stream of this.streams.values()) {
      while (stream.backlog.length > 0 && !this.isFull(stream)) {
        const next = stream.backlog.shift()
        if (next === undefined) break
        next.release()
        this.parts.confirm(next.arrival, this.admit(stream, next.arrival))
      }
    }
  }

  private get settings(): SensorSettings {
    return this.plan.sensors ?? DEFAULTS
  }

  private judge(arrival: Arrival): Verdict {
    const { format, payload, bytes } = arrival
    const { budget, decode, options } = this.parts
    if (bytes > options.maxFrameBytes) {
      const what = `a frame of ${bytes} bytes, the limit is ${options.maxFrameBytes}`
      return { reject: new MillraceError('MESSAGE_TOO_LARGE', what) }
    }
    const release = budget.hold(bytes)
    if (release === undefined) return { discard: 'overrun' }
    const load = async () => {
      try {
        return await decode(format, payload, this.plan)
      } finally {
        release()
      }
    }
    const record = { note: noteFor(arrival), content: payload }
    return { take: new DeferredFrame(bytes, load, record), release }
  }

  private restore(kept: KeptFrame): DeferredFrame {
    const load = async () => this.parts.decode(noteOf(kept.note).format, await kept.read(), this.plan)
    return new DeferredFrame(kept.bytes, load)
  }

  /** @returns undefined where there are too many, all with frames under way */
  private streamOf(name: string): SensorStream | undefined {
    const { delivery, order, queueFrames, deadlineMs } = this.settings
    const settings = [delivery, order, queueFrames, deadlineMs].join()
    const known = this.streams.get(name)
    // A stream keeps its settings while it has frames under way.
    if (known !== undefined && (known.settings === settings || !known.idle)) return this.use(name, known)
    known?.close()
    if (known === undefined && !this.makeRoom()) return undefined
    const { dispatcher, options } = this.parts
    const maxQueuedBytes = options.maxQueuedBytes
    const wish = {
      ...{ stream: name, delivery, order, deadlineMs },
      ...{ maxQueuedFrames: queueFrames, maxQueuedBytes },
    }
    const push = dispatcher.push(wish, kept => this.restore(kept))
    const ids = known?.ids ?? new FrameIds(options, Date.now, push.journal)
    return this.use(name, new SensorStream(settings, push, ids))
  }

  private use(name: string, stream: SensorStream): SensorStream {
    this.streams.delete(name)
    this.streams.set(name, stream)
    return stream
  }

  private makeRoom(): boolean {
    if (this.streams.size < this.parts.options.maxStreams) return true
    const idle = [...this.streams].find(([, stream]) => stream.idle)
    if (idle === undefined) return false
    const [name, stream] = idle
    stream.close()
    stream.ids.clear()
    return this.streams.delete(name)
  }

  private predicted(prediction: Prediction): void {
    const { stream, sequence } = prediction
    const sensor = this.streams.get(stream)
    const frame = sensor?.end(sequence, true)
    if (frame === undefined) return
    const line = lineOf(frame, stream, sequence)
    void sensor?.answer(
      sequence,
      this.parts.answers.predicted(this.pipeline, line, prediction, this.settings),
    )
    this.drain()
  }

  private ended(entry: LedgerEntry): void {
    const { stream, sequence } = entry
    if (entry.end === 'predicted') return
    const sensor = this.streams.get(stream)
    const frame = sensor?.end(sequence, false)
    if (frame === undefined) return
    const line = lineOf(frame, stream, sequence)
    const mishap = entry.end === 'failed' ? { error: entry.error } : droppedAs(entry.reason)
    void sensor?.answer(sequence, this.parts.answers.missed(this.pipeline, line, mishap))
  }

  /** No stream has it, and so no ledger. */
  private refuse({ stream, frameId, arrivedAt }: Arrival): 'answered' {
    const what = `all ${this.parts.options.maxStreams} streams of '${this.pipeline}' have frames under way`
    const error = new MillraceError('SOURCE_OVERRUN', what).toInfo()
    const note = { frameId, stream, ageMs: Date.now() - arrivedAt }
    void this.parts.answers.missed(this.pipeline, note, { dropped: 'overrun', error })
    return 'answered'
  }
}

function lineOf({ frameId, arrivedAt }: OpenFrame, stream: string, sequence: number): FrameNote {
  return { ...(frameId === undefined ? {} : { frameId }), stream, sequence, ageMs: Date.now() - arrivedAt }
}

function droppedAs(reason: string): { dropped: string; error?: ErrorInfo } {
  if (reason !== 'overrun') return { dropped: reason }
  const what = 'the sensor published more frames than may wait for the pipeline'
  return { dropped: reason, error: new MillraceError('SOURCE_OVERRUN', what).toInfo() }
}
