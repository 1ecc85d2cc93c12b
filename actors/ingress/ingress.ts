import { BehaviorSubject, type Observable, Subject } from 'rxjs'
import { type Bus, type BusMessage, type Subscription } from '../../core/bus.js'
import { Crash, decodeControl, Plan } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type FrameJournal } from '../../core/journal.js'
import { type LedgerCounts } from '../../core/ledger.js'
import { type Link } from '../../core/link.js'
import { levelsBelow, parseSensorTopic, type Topics } from '../../core/topics.js'
import { Dispatcher, reportOn } from '../dispatcher/index.js'
import { Answers } from './answers.js'
import { type Arrival } from './arrival.js'
import { Budget } from './budget.js'
import { type Decode, decoderOf } from './decode.js'
import { Lane, type LaneParts } from './lane.js'
import { type IngressOptions } from './options.js'
import { Slots } from './slots.js'
import { MOST_KEPT, MOST_UNKNOWN, WaitingRoom } from './waiting.js'

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
  /**
   * Keeps frames until the broker has their answers. Messages of `sensors`, which is durable then, are confirmed when they
   * are in it.
   */
  readonly journal?: FrameJournal | undefined
}

/** An answer waits so long for a broker that is away; then its frame is answered after the next start. */
const ANSWER_LIMIT_MS = 600_000
/** What waits for room in the journal finds it by then, whoever made it. */
const DRAIN_MS = 100

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

type Refused = Pick<Arrival, 'pipeline' | 'stream' | 'frameId' | 'arrivedAt' | 'confirm'>

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
  /** Lanes of pipelines that were taken down, until what they have of the journal is free. */
  private readonly closing = new Map<string, Promise<void>>()
  private readonly stopped$ = new Subject<void>()
  private readonly tally = { received: 0, ignored: 0, refused: 0, duplicates: 0 }
  private stopping: Promise<void> | undefined

  private constructor(
    private readonly parts: IngressParts,
    private readonly options: IngressOptions,
  ) {
    const { sensors, topics, onTrouble, journal } = parts
    this.answers = new Answers(sensors, topics, onTrouble, journal && ANSWER_LIMIT_MS)
    this.budget = new Budget(options.maxQueuedBytes)
    const waits = { waitMs: options.unknownWaitMs, most: journal === undefined ? MOST_UNKNOWN : MOST_KEPT }
    this.waiting = new WaitingRoom(waits, this.budget, arrival => this.unknown(arrival))
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
    if (this.parts.journal !== undefined) {
      const timer = setInterval(() => this.drain(), DRAIN_MS)
      this.stopped$.subscribe(() => clearInterval(timer))
    }
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
    const { topics, control, link, restored$, onTrouble } = this.parts
    await this.closing.get(name)
    const plan = entry.plan$.value
    const journal = this.parts.journal?.lease(name)
    const id = journal?.id ?? this.parts.id
    const { plan$ } = entry
    const { crash$ } = this
    const parts = { id, pipeline: name, topics, link, plan$, restored$, crash$, onTrouble, journal }
    const dispatcher = await Dispatcher.start(parts, plan)
    const { answers, budget, decode, options } = this
    if (this.entries.get(name) !== entry || this.stopping !== undefined) return dispatcher.close()
    reportOn(dispatcher, { id, pipeline: name, bus: control, topics })
    const confirm: LaneParts['confirm'] = (arrival, outcome) => this.confirm(arrival, outcome)
    const lane = new Lane(name, plan, { dispatcher, answers, budget, decode, options, journal, confirm })
    entry.lane = lane
    for (const arrival of this.waiting.take(name)) this.offer(lane, arrival)
  }

  private offer(lane: Lane, arrival: Arrival): void {
    const outcome = lane.offer(arrival)
    if (outcome !== 'held') this.confirm(arrival, outcome)
  }

  /** Once it is on disk, or the broker has its answer, a message need not be kept by the broker (promise 5). */
  private confirm(arrival: Arrival, outcome: 'taken' | 'answered'): void {
    const done = outcome === 'taken' ? this.parts.journal?.written() : this.answers.sent()
    // What the journal did not take comes again, to the next ingress.
    Promise.resolve(done).then(arrival.confirm, () => undefined)
  }

  private drain(): void {
    for (const { lane } of this.entries.values()) lane?.drain()
  }

  /** The pipeline was taken down. */
  private close(name: string): void {
    const entry = this.entries.get(name)
    this.entries.delete(name)
    entry?.plan$.complete()
    this.tally.duplicates += entry?.lane?.duplicates ?? 0
    const closed = entry?.lane
      ?.close()
      .catch((error: unknown) => this.parts.onTrouble(MillraceError.from(error)))
      .finally(() => this.closing.delete(name))
    if (closed !== undefined) this.closing.set(name, closed)
  }

  private receive({ topic, payload, owned, retained, confirm = () => {} }: BusMessage): void {
    this.tally.received++
    const parsed = parseSensorTopic(this.parts.topics.root, topic)
    // What a broker keeps was a frame once, and comes again with each connection.
    if (parsed === undefined || retained) {
      this.tally.ignored++
      return confirm()
    }
    const arrivedAt = Date.now()
    if ('problem' in parsed) {
      const problem = new MillraceError('TOPIC_INVALID', `'${topic}': ${parsed.problem}`)
      return this.refuse({ ...parsed, arrivedAt, confirm }, problem)
    }
    const bytes = payload.byteLength
    const kept =
      bytes > this.options.maxFrameBytes ? new Uint8Array() : owned ? payload : new Uint8Array(payload)
    const arrival = { ...parsed, arrivedAt, payload: kept, bytes, confirm }
    const lane = this.entries.get(parsed.pipeline)?.lane
    if (lane === undefined) this.waiting.add(arrival)
    else this.offer(lane, arrival)
  }

  private unknown(arrival: Arrival): void {
    const problem = new MillraceError('PIPELINE_UNKNOWN', `no pipeline '${arrival.pipeline}' is deployed`)
    this.refuse(arrival, problem)
  }

  private refuse(refused: Refused, error: MillraceError): void {
    const { pipeline, stream, frameId, arrivedAt, confirm } = refused
    this.tally.refused++
    const note = { ...(frameId === undefined ? {} : { frameId }), stream, ageMs: Date.now() - arrivedAt }
    void this.answers.missed(pipeline, note, { error: error.toInfo() }).then(confirm)
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
