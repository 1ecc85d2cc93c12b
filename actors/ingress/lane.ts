import { type Subscription as RxSubscription } from 'rxjs'
import { type Plan } from '../../core/control.js'
import { type ErrorInfo, MillraceError } from '../../core/errors.js'
import { type LedgerCounts, type LedgerEntry } from '../../core/ledger.js'
import { IMAGE_DEFAULTS, type SensorSettings } from '../../core/sensing/index.js'
import { DeferredFrame, type Dispatcher, type Prediction } from '../dispatcher/index.js'
import { type Answers } from './answers.js'
import { type Arrival } from './arrival.js'
import { type Budget } from './budget.js'
import { type Decode } from './decode.js'
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
  }

  counts(): LedgerCounts {
    return this.parts.dispatcher.counts()
  }

  offer(arrival: Arrival): void {
    const stream = this.streamOf(arrival.stream)
    if (stream === undefined) return this.refuse(arrival)
    if (stream.isNew(arrival)) stream.admit(arrival, this.judge(arrival))
    else this.duplicates++
  }

  /** Frames that have not ended fail with STOPPED. */
  async close(): Promise<void> {
    await this.parts.dispatcher.close()
    for (const subscription of this.watching) subscription.unsubscribe()
  }

  private get settings(): SensorSettings {
    return this.plan.sensors ?? DEFAULTS
  }

  private judge({ format, payload, bytes }: Arrival): Verdict {
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
    return { take: new DeferredFrame(bytes, load), release }
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
    const push = dispatcher.push({
      ...{ stream: name, delivery, order, deadlineMs },
      ...{ maxQueuedFrames: queueFrames, maxQueuedBytes },
    })
    return this.use(name, new SensorStream(settings, push, known?.ids ?? new FrameIds(options)))
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
    return this.streams.delete(name)
  }

  private predicted(prediction: Prediction): void {
    const { stream, sequence } = prediction
    const frame = this.streams.get(stream)?.end(sequence, true)
    if (frame === undefined) return
    this.parts.answers.predicted(this.pipeline, noteOf(frame, stream, sequence), prediction, this.settings)
  }

  private ended(entry: LedgerEntry): void {
    const { stream, sequence } = entry
    if (entry.end === 'predicted') return
    const frame = this.streams.get(stream)?.end(sequence, false)
    if (frame === undefined) return
    const note = noteOf(frame, stream, sequence)
    const mishap = entry.end === 'failed' ? { error: entry.error } : droppedAs(entry.reason)
    this.parts.answers.missed(this.pipeline, note, mishap)
  }

  /** No stream has it, and so no ledger. */
  private refuse({ stream, frameId, arrivedAt }: Arrival): void {
    const what = `all ${this.parts.options.maxStreams} streams of '${this.pipeline}' have frames under way`
    const error = new MillraceError('SOURCE_OVERRUN', what).toInfo()
    const note = { frameId, stream, ageMs: Date.now() - arrivedAt }
    this.parts.answers.missed(this.pipeline, note, { dropped: 'overrun', error })
  }
}

function noteOf({ frameId, arrivedAt }: OpenFrame, stream: string, sequence: number): FrameNote {
  return { ...(frameId === undefined ? {} : { frameId }), stream, sequence, ageMs: Date.now() - arrivedAt }
}

function droppedAs(reason: string): { dropped: string; error?: ErrorInfo } {
  if (reason !== 'overrun') return { dropped: reason }
  const what = 'the sensor published more frames than may wait for the pipeline'
  return { dropped: reason, error: new MillraceError('SOURCE_OVERRUN', what).toInfo() }
}
