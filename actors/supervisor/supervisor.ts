import { from, interval } from 'rxjs'
import { type Bus, type BusMessage, type Subscription } from '../../core/bus.js'
import {
  Actual,
  Beat,
  Birth,
  Death,
  decodeControl,
  DispatcherReport,
  encodeControl,
  type LeaderBeat,
  Desired,
  PipelineStatus,
  Order,
  Plan,
  Spec,
  type Speed,
} from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { levelsBelow, type Topics } from '../../core/topics.js'
import { revisionOf, versionsIn } from '../../core/versions.js'
import { type PartStore, type ReadPart, serveParts } from '../model-store/index.js'
import { type SpawnProbe } from '../profiler/index.js'
import { Assignments } from './assignments.js'
import { Deliveries } from './deliveries.js'
import { WorkerFindings } from './findings.js'
import { PipelineKeeper } from './keeper.js'
import { claimLeadership, LEADER_BEAT_MS } from './leadership.js'
import { Memory } from './memory.js'
import { type SupervisorOptions } from './options.js'
import { once } from './once.js'
import { LinkProbes } from './probes.js'
import { WorkerRegistry } from './registry.js'
import { ToldFindings } from './told-findings.js'
import { CutModels } from './workshop/cut-models.js'

export interface SupervisorParts {
  readonly id: string
  /** Its own connection, that of the leader (decision D5): `leaderClientId`, no reconnection. */
  readonly bus: Bus
  readonly topics: Topics
  readonly store: PartStore
  /** Measures a whole core of this machine, as workers measure theirs; left out: every worker counts as equally fast. */
  readonly measureSpeed?: (() => Promise<Speed>) | undefined
  /** Starts processes in which a model's memory is measured; left out: a typical one is taken for it. */
  readonly spawnProbe?: SpawnProbe | undefined
  /** Of the terms before this one of the same process; left out: there were none. */
  readonly memory?: Memory | undefined
  readonly onTrouble: (error: MillraceError) => void
}

const CLAIM = { settleMs: 300, limitMs: 5_000 }
const HEALTH_MS = 500
/** Workers reconnect within this when their broker is back. */
const RETURN_MS = 5_000

/**
 * Plans, assigns and watches. All that it knows it reads from retained messages, so that a successor can (decision D5).
 */
export class Supervisor {
  /** Settles when it leads no more: with the reason, or with undefined after `stop`. */
  readonly ended: Promise<MillraceError | undefined>
  private end: (reason: MillraceError | undefined) => void = () => {}
  private readonly registry: WorkerRegistry
  private readonly keepers = new Map<string, PipelineKeeper>()
  private readonly assignments: Assignments
  private readonly cutModels = new CutModels()
  private readonly subscriptions: Subscription[] = []
  private readonly measureSpeed: (() => Promise<Speed>) | undefined
  private readonly findings: WorkerFindings
  private readonly deliveries: Deliveries
  private readonly told: ToldFindings
  /** What it has said again to a broker that had forgotten it. */
  private forgotten = false
  private lastEpoch = 0

  private constructor(
    private readonly parts: SupervisorParts,
    private readonly options: SupervisorOptions,
    readonly term: number,
  ) {
    this.registry = new WorkerRegistry(options)
    this.findings = new WorkerFindings(this.registry, () => this.plans(), options)
    this.told = new ToldFindings({ ...parts, term })
    this.deliveries = new Deliveries(this.registry, () => this.plans())
    this.assignments = new Assignments(parts.bus, parts.topics, term, parts.store)
    this.measureSpeed = once(parts.measureSpeed)
    this.ended = new Promise(resolve => {
      this.end = resolve
    })
  }

  /** @throws SUPERVISOR_SUPERSEDED, NO_SUPERVISOR, BUS_DISCONNECTED */
  static async start(parts: SupervisorParts, options: SupervisorOptions): Promise<Supervisor> {
    const memory = parts.memory ?? new Memory()
    const deployed = new Set<string>()
    const specs = await parts.bus.subscribe(parts.topics.pipeline.specs, ({ topic }) => {
      deployed.add(levelsBelow(parts.topics.root, topic)?.[1] ?? '')
    })
    let forgotten = false
    const onFound = (known: number, obeyed: number) => (forgotten = memory.exceeds(known, obeyed))
    const claim = { ...CLAIM, onFound }
    const claiming = claimLeadership(parts.bus, parts.topics, parts.id, claim)
    const term = await claiming.finally(() => specs.close().catch(() => undefined))
    memory.begin(term)
    if (!forgotten) memory.clear()
    const supervisor = new Supervisor({ ...parts, memory }, options, term)
    try {
      await supervisor.watch(forgotten ? deployed : undefined)
      return supervisor
    } catch (error) {
      await supervisor.stop()
      throw error
    }
  }

  /** What runs goes on running, for the next leader. Idempotent. */
  async stop(): Promise<void> {
    await this.halt(undefined)
  }

  /**
   * Specs come last, so that what is known of a pipeline is there before it is asked for.
   * @param deployed  pipelines that were asked for of a broker that has forgotten all others; undefined: it has not
   */
  private async watch(deployed: ReadonlySet<string> | undefined): Promise<void> {
    const { bus, topics, store, onTrouble } = this.parts
    bus.state$.subscribe(state => {
      if (state !== 'connected')
        void this.halt(new MillraceError('BUS_DISCONNECTED', 'the leader lost the broker'))
    })
    const on = async (filter: string, handler: (message: BusMessage, name: string) => void) => {
      const named = (message: BusMessage) =>
        handler(message, levelsBelow(topics.root, message.topic)?.[1] ?? '')
      this.subscriptions.push(await bus.subscribe(filter, named, { qos: 1 }))
    }
    if (deployed !== undefined) await this.parts.memory?.restore(bus, topics, deployed)
    this.forgotten = deployed !== undefined
    await on(topics.worker.births, (message, worker) => this.onBirth(message, worker))
    await on(topics.worker.deaths, (message, worker) => this.onDeath(message, worker))
    await on(topics.worker.beats, message => this.take(Beat, message, beat => this.onBeat(beat)))
    await on(topics.worker.actuals, message => this.take(Actual, message, actual => this.onActual(actual)))
    await on(topics.worker.desireds, (message, worker) => this.onDesired(message, worker))
    await on(topics.pipeline.plans, message => {
      this.note(message)
      this.take(Plan, message, plan => this.onPlan(plan))
    })
    await on(topics.pipeline.statuses, message => {
      this.note(message)
      this.take(PipelineStatus, message, status => this.onStatus(status))
    })
    await on(topics.pipeline.reports, message =>
      this.take(DispatcherReport, message, report => this.keepers.get(report.pipeline)?.onReport(report)),
    )
    const read: ReadPart = (sha256, offset, length) => store.read(sha256, offset, length)
    this.subscriptions.push(await serveParts(bus, topics, read, onTrouble))
    await on(topics.pipeline.specs, (message, pipeline) => this.onSpec(message, pipeline))
    this.watchHealth()
    new LinkProbes(this.registry, this.assignments).watch(from(this.ended), onTrouble)
  }

  private take<T>(
    schema: Parameters<typeof decodeControl<T>>[0],
    { payload }: BusMessage,
    use: (value: T) => void,
  ) {
    const value = decodeControl(schema, payload)
    if (value !== undefined) use(value)
  }

  private onBirth(message: BusMessage, worker: string): void {
    if (message.payload.byteLength === 0) this.registry.left(worker)
    else this.take(Birth, message, birth => this.registry.born(birth))
  }

  private onBeat(beat: Beat): void {
    this.findings.beaten(beat)
    this.deliveries.beaten(beat)
    this.registry.beaten(beat)
  }

  private onDeath(message: BusMessage, worker: string): void {
    this.take(Death, message, ({ incarnation }) => this.registry.died(worker, incarnation))
  }

  /** Retained before this term: written by an earlier leader. */
  private onDesired(message: BusMessage, worker: string): void {
    this.note(message)
    this.take(Desired, message, ({ term, activations }) => {
      if (term >= this.term) return
      this.track(this.assignments.adopt(worker, activations))
      for (const { epoch } of activations) this.noteEpoch(epoch)
    })
  }

  /** A broker that forgot what was retained leaves the workers to say how far terms and epochs had come. */
  private onActual(actual: Actual): void {
    for (const { epoch } of actual.activations) this.noteEpoch(epoch)
    this.registry.reported(actual)
    if (actual.term <= this.term) return
    const later = `worker '${actual.worker}' obeys term ${actual.term}, and this is ${this.term}`
    void this.halt(new MillraceError('NO_SUPERVISOR', `${later}: the lead must be taken anew`))
  }

  private note({ topic, payload }: BusMessage): void {
    this.parts.memory?.note(topic, payload)
  }

  /** An epoch is never used twice, also where the plan that it was for never came into force. */
  private noteEpoch(epoch: number): void {
    this.lastEpoch = Math.max(this.lastEpoch, epoch)
  }

  private onStatus(status: PipelineStatus): void {
    this.noteEpoch(status.epoch)
    this.keeperOf(status.pipeline).onStatus(status)
  }

  private onPlan(plan: Plan): void {
    this.noteEpoch(revisionOf(plan).number)
    for (const { epoch } of versionsIn(plan)) this.noteEpoch(epoch)
    // They look for the broker too.
    if (this.forgotten && plan.term < this.term) {
      const workers = versionsIn(plan).flatMap(({ stages }) => stages.map(({ worker }) => worker))
      this.registry.expect(workers, RETURN_MS)
    }
    this.keeperOf(plan.pipeline).onPlan(plan)
  }

  private onSpec(message: BusMessage, pipeline: string): void {
    this.note(message)
    if (message.payload.byteLength === 0) return this.track(this.undeploy(pipeline))
    const wish = decodeControl(Spec, message.payload) ?? decodeControl(Order, message.payload)
    if (wish !== undefined) this.keeperOf(pipeline).onWish(wish)
  }

  private plans(): Plan[] {
    const inForce = [...this.keepers.values()].flatMap(keeper => keeper.inForce ?? [])
    return inForce.flatMap(versionsIn)
  }

  private keeperOf(pipeline: string): PipelineKeeper {
    const known = this.keepers.get(pipeline)
    if (known !== undefined) return known
    const { registry, assignments, cutModels, options, term, measureSpeed } = this
    const nextEpoch = () => ++this.lastEpoch
    const slowdownOf = (worker: string) => this.findings.slowdownOf(worker)
    const isStalled = (key: string) => this.findings.isStalled(key)
    const plans = () => this.plans()
    const keeper = new PipelineKeeper(pipeline, {
      ...this.parts,
      ...{ measureSpeed, registry, assignments, cutModels, options, term },
      ...{ nextEpoch, plans, slowdownOf, isStalled },
    })
    this.keepers.set(pipeline, keeper)
    return keeper
  }

  private async undeploy(pipeline: string): Promise<void> {
    const keeper = this.keeperOf(pipeline)
    this.keepers.delete(pipeline)
    await keeper.undeploy()
  }

  /** Not QoS 1, as workers' beats. */
  private beat(): void {
    const { bus, topics } = this.parts
    bus
      .publish(topics.supervisor.beat, encodeControl({ term: this.term } satisfies LeaderBeat))
      .catch(() => undefined)
  }

  private watchHealth(): void {
    const check = this.registry.change$.subscribe(() => {
      for (const keeper of this.keepers.values()) keeper.assess()
    })
    check.add(
      interval(HEALTH_MS).subscribe(() => {
        for (const keeper of this.keepers.values()) keeper.tend()
        this.track(this.told.tell(this.findings.all()))
      }),
    )
    const unwatch = this.registry.watch()
    const beat = setInterval(() => this.beat(), LEADER_BEAT_MS)
    this.beat()
    void this.ended.then(() => {
      check.unsubscribe()
      clearInterval(beat)
      unwatch()
    })
  }

  private track(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.parts.onTrouble(MillraceError.from(error)))
  }

  private async halt(reason: MillraceError | undefined): Promise<void> {
    const keepers = [...this.keepers.values()]
    this.keepers.clear()
    const subscriptions = this.subscriptions.splice(0)
    await Promise.allSettled([
      ...keepers.map(keeper => keeper.stop()),
      ...subscriptions.map(subscription => subscription.close()),
    ])
    this.end(reason)
  }
}
