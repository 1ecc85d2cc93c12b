import { BehaviorSubject, type Observable, Subject } from 'rxjs'
import { type Bus, type BusMessage, type Subscription } from '../../core/bus.js'
import { Crash, decodeControl, Plan } from '../../core/control.js'
import { MillraceError } from '../../core/errors.js'
import { type LedgerCounts } from '../../core/ledger.js'
import { type Link } from '../../core/link.js'
import { levelsBelow, parseSensorTopic, type Topics } from '../../core/topics.js'
import { Dispatcher, reportOn } from '../dispatcher/index.js'
import { Answers } from './answers.js'
import { type Arrival } from './arrival.js'
import { Budget } from './budget.js'
import { type Decode, decoderOf } from './decode.js'
import { Lane } from './lane.js'
import { type IngressOptions } from './options.js'
import { Slots } from './slots.js'
import { WaitingRoom } from './waiting.js'

export interface IngressParts {
  /** Begins the names of its dispatchers; its own among all of the cluster. */
  readonly id: string
  readonly topics: Topics
  /** Brings plans (decision D1: not behind frames). */
  readonly control: Bus
  /** Brings frames of sensors, and takes predictions. */
  readonly sensors: Bus
  /** To the pipelines. */
  readonly link: Link
  /** Each time the link is whole again after a break. */
  readonly restored$: Observable<void>
  readonly onTrouble: (error: MillraceError) => void
}

export interface IngressCounts {
  /** Messages below the topic of frames. */
  readonly received: number
  /** Those whose topic names no pipeline and stream, or that the broker had kept for later subscribers. */
  readonly ignored: number
  /** Those that reached no pipeline: their topic is wrong, or none of that name is deployed. */
  readonly refused: number
  /** Those that came again under an id that is remembered. */
  readonly duplicates: number
  /** The ledger of each pipeline that is deployed. */
  readonly pipelines: Readonly<Record<string, LedgerCounts>>
}

interface Entry {
  readonly plan$: BehaviorSubject<Plan>
  lane?: Lane
  opening: boolean
}

/**
 * Lets sensors take part with nothing but an MQTT client: it admits what they publish to the pipelines that are deployed,
 * and publishes what comes of each frame. One for a cluster: two would both answer.
 */
export class Ingress {
  private readonly entries = new Map<string, Entry>()
  private readonly crash$ = new Subject<Crash>()
  private readonly subscriptions: Subscription[] = []
  private readonly answers: Answers
  private readonly budget: Budget
  private readonly waiting: WaitingRoom
  private readonly decode: Decode
  private readonly stopped$ = new Subject<void>()
  private readonly tally = { received: 0, ignored: 0, refused: 0, duplicates: 0 }
  private stopping: Promise<void> | undefined

  private constructor(
    private readonly parts: IngressParts,
    private readonly options: IngressOptions,
  ) {
    const { sensors, topics, onTrouble } = parts
    this.answers = new Answers(sensors, topics, onTrouble)
    this.budget = new Budget(options.maxQueuedBytes)
    this.waiting = new WaitingRoom(options.unknownWaitMs, this.budget, arrival => this.unknown(arrival))
    this.decode = decoderOf(options, new Slots(options.decoders))
  }

  /** Resolves when it takes frames. @throws BUS_DISCONNECTED, BUS_CLOSED */
  static async start(parts: IngressParts, options: IngressOptions): Promise<Ingress> {
    const ingress = new Ingress(parts, options)
    try {
      await ingress.watch()
      return ingress
    } catch (error) {
      await ingress.stop()
      throw error
    }
  }

  counts(): IngressCounts {
    const lanes = [...this.entries].flatMap(([name, { lane }]) =>
      lane === undefined ? [] : [[name, lane] as const],
    )
    const duplicates = lanes.reduce((sum, [, lane]) => sum + lane.duplicates, this.tally.duplicates)
    const pipelines = Object.fromEntries(lanes.map(([name, lane]) => [name, lane.counts()]))
    return { ...this.tally, duplicates, pipelines }
  }

  /** Frames under way fail with STOPPED, which their streams are told. Idempotent. */
  stop(): Promise<void> {
    this.stopping ??= this.halt()
    return this.stopping
  }

  private async watch(): Promise<void> {
    const { control, sensors, topics, restored$ } = this.parts
    const restored = restored$.subscribe(() => this.openAll())
    this.stopped$.subscribe(() => restored.unsubscribe())
    this.subscriptions.push(
      await control.subscribe(topics.pipeline.plans, message => this.onPlan(message), { qos: 1 }),
      await control.subscribe(topics.pipeline.crashes, message => this.onCrash(message), { qos: 1 }),
      await sensors.subscribe(topics.sensor.frames, message => this.receive(message), { qos: 1 }),
    )
  }

  private onPlan({ topic, payload }: BusMessage): void {
    const name = levelsBelow(this.parts.topics.root, topic)?.[1] ?? ''
    if (payload.byteLength === 0) return this.close(name)
    const plan = decodeControl(Plan, payload)
    if (plan === undefined || plan.pipeline !== name) return
    const known = this.entries.get(name)
    if (known !== undefined) return known.plan$.next(plan)
    const entry: Entry = { plan$: new BehaviorSubject(plan), opening: false }
    this.entries.set(name, entry)
    this.open(name, entry)
  }

  private onCrash({ payload }: BusMessage): void {
    const crash = decodeControl(Crash, payload)
    if (crash !== undefined) this.crash$.next(crash)
  }

  private openAll(): void {
    for (const [name, entry] of this.entries) this.open(name, entry)
  }

  /** What fails for want of a link is done again when that is whole. */
  private open(name: string, entry: Entry): void {
    if (entry.lane !== undefined || entry.opening) return
    entry.opening = true
    this.startLane(name, entry)
      .catch((error: unknown) => this.parts.onTrouble(MillraceError.from(error)))
      .finally(() => (entry.opening = false))
  }

  private async startLane(name: string, entry: Entry): Promise<void> {
    const { id, topics, control, link, restored$, onTrouble } = this.parts
    const plan = entry.plan$.value
    const { plan$ } = entry
    const { crash$ } = this
    const parts = { id, pipeline: name, topics, link, plan$, restored$, crash$, onTrouble }
    const dispatcher = await Dispatcher.start(parts, plan)
    const { answers, budget, decode, options } = this
    if (this.entries.get(name) !== entry || this.stopping !== undefined) return dispatcher.close()
    reportOn(dispatcher, { id, pipeline: name, bus: control, topics })
    entry.lane = new Lane(name, plan, { dispatcher, answers, budget, decode, options })
    for (const arrival of this.waiting.take(name)) entry.lane.offer(arrival)
  }

  /** The pipeline was taken down. */
  private close(name: string): void {
    const entry = this.entries.get(name)
    this.entries.delete(name)
    entry?.plan$.complete()
    this.tally.duplicates += entry?.lane?.duplicates ?? 0
    entry?.lane?.close().catch((error: unknown) => this.parts.onTrouble(MillraceError.from(error)))
  }

  private receive({ topic, payload, owned, retained }: BusMessage): void {
    this.tally.received++
    const parsed = parseSensorTopic(this.parts.topics.root, topic)
    // What a broker keeps was a frame once, and comes again with each connection.
    if (parsed === undefined || retained) return void this.tally.ignored++
    const arrivedAt = Date.now()
    if ('problem' in parsed) {
      return this.refuse(
        parsed,
        arrivedAt,
        new MillraceError('TOPIC_INVALID', `'${topic}': ${parsed.problem}`),
      )
    }
    const bytes = payload.byteLength
    const kept =
      bytes > this.options.maxFrameBytes ? new Uint8Array() : owned ? payload : new Uint8Array(payload)
    const arrival = { ...parsed, arrivedAt, payload: kept, bytes }
    const lane = this.entries.get(parsed.pipeline)?.lane
    if (lane === undefined) this.waiting.add(arrival)
    else lane.offer(arrival)
  }

  private unknown(arrival: Arrival): void {
    const problem = new MillraceError('PIPELINE_UNKNOWN', `no pipeline '${arrival.pipeline}' is deployed`)
    this.refuse(arrival, arrival.arrivedAt, problem)
  }

  private refuse(
    { pipeline, stream, frameId }: Pick<Arrival, 'pipeline' | 'stream' | 'frameId'>,
    arrivedAt: number,
    error: MillraceError,
  ): void {
    this.tally.refused++
    const note = { ...(frameId === undefined ? {} : { frameId }), stream, ageMs: Date.now() - arrivedAt }
    this.answers.missed(pipeline, note, { error: error.toInfo() })
  }

  private async halt(): Promise<void> {
    this.stopped$.next()
    await Promise.allSettled(this.subscriptions.splice(0).map(subscription => subscription.close()))
    this.waiting.close()
    const lanes = [...this.entries.values()].flatMap(({ lane }) => (lane === undefined ? [] : [lane]))
    this.entries.clear()
    await Promise.allSettled(lanes.map(lane => lane.close()))
    await this.answers.sent()
  }
}
