import { interval, merge } from 'rxjs'
import { type Bus, type BusMessage, type Subscription } from '../../core/bus.js'
import {
  activationKeyOf,
  Actual,
  Beat,
  Birth,
  Death,
  decodeControl,
  Desired,
  errorOf,
  PipelineStatus,
  Plan,
  Spec,
  type Speed,
} from '../../core/control.js'
import { type ErrorInfo, MillraceError } from '../../core/errors.js'
import { levelsBelow, type Topics } from '../../core/topics.js'
import { type PartStore, type ReadPart, serveParts } from '../model-store/index.js'
import { type SpawnProbe } from '../profiler/index.js'
import { Assignments } from './assignments.js'
import { deploy, idOf, partsOf, publishStatus } from './deployment.js'
import { claimLeadership } from './leadership.js'
import { type SupervisorOptions } from './options.js'
import { WorkerRegistry } from './registry.js'

export interface SupervisorParts {
  readonly id: string
  /** Its own connection, that of the leader (decision D5): `leaderClientId`, no reconnection. */
  readonly bus: Bus
  readonly topics: Topics
  readonly store: PartStore
  /** Of this machine, as workers measure theirs; left out: every worker counts as equally fast. */
  readonly speed?: Speed | undefined
  /** Starts processes in which a model's memory is measured; left out: a typical one is taken for it. */
  readonly spawnProbe?: SpawnProbe | undefined
  readonly onTrouble: (error: MillraceError) => void
}

interface Running {
  readonly spec: Spec
  readonly abort: AbortController
  /** Settles when the deployment has ended, however. */
  done: Promise<void>
}

const CLAIM = { settleMs: 300, limitMs: 5_000 }
const HEALTH_MS = 500
/** How a deployment may have ended; one that has none of these is carried out anew by the next leader. */
const ENDED: readonly PipelineStatus['state'][] = ['ready', 'degraded', 'failed']

/** The client id that all supervisors of one root share, so that a broker keeps the connection of the newest only. */
export function leaderClientId(topics: Topics): string {
  return `${topics.root.replaceAll('/', '-')}-supervisor`
}

/**
 * Plans, assigns and watches. All that it knows it reads from retained messages, so that a successor can (decision D5).
 */
export class Supervisor {
  /** Settles when it leads no more: with the reason, or with undefined after `stop`. */
  readonly ended: Promise<MillraceError | undefined>
  private end: (reason: MillraceError | undefined) => void = () => {}
  private readonly registry: WorkerRegistry
  private readonly plans = new Map<string, Plan>()
  private readonly statuses = new Map<string, PipelineStatus>()
  private readonly running = new Map<string, Running>()
  private readonly assignments: Assignments
  private readonly subscriptions: Subscription[] = []
  private lastEpoch = 0

  private constructor(
    private readonly parts: SupervisorParts,
    private readonly options: SupervisorOptions,
    readonly term: number,
  ) {
    this.registry = new WorkerRegistry(options.deadAfterMs)
    this.assignments = new Assignments(parts.bus, parts.topics, term, parts.store)
    this.ended = new Promise(resolve => {
      this.end = resolve
    })
  }

  /** @throws SUPERVISOR_SUPERSEDED, NO_SUPERVISOR, BUS_DISCONNECTED */
  static async start(parts: SupervisorParts, options: SupervisorOptions): Promise<Supervisor> {
    const term = await claimLeadership(parts.bus, parts.topics, parts.id, CLAIM)
    const supervisor = new Supervisor(parts, options, term)
    try {
      await supervisor.watch()
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

  /** Specs come last, so that what is known of a pipeline is there before it is asked for. */
  private async watch(): Promise<void> {
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
    await on(topics.worker.births, (message, worker) => this.onBirth(message, worker))
    await on(topics.worker.deaths, (message, worker) => this.onDeath(message, worker))
    await on(topics.worker.beats, message => this.take(Beat, message, beat => this.registry.beaten(beat)))
    await on(topics.worker.actuals, message => this.take(Actual, message, actual => this.onActual(actual)))
    await on(topics.worker.desireds, (message, worker) => this.onDesired(message, worker))
    await on(topics.pipeline.plans, message => this.take(Plan, message, plan => this.onPlan(plan)))
    await on(topics.pipeline.statuses, message =>
      this.take(PipelineStatus, message, status => this.onStatus(status)),
    )
    const read: ReadPart = (sha256, offset, length) => store.read(sha256, offset, length)
    this.subscriptions.push(await serveParts(bus, topics, read, onTrouble))
    await on(topics.pipeline.specs, (message, pipeline) => this.onSpec(message, pipeline))
    this.watchHealth()
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

  private onDeath(message: BusMessage, worker: string): void {
    this.take(Death, message, ({ incarnation }) => this.registry.died(worker, incarnation))
  }

  /** Retained before this term: written by an earlier leader. */
  private onDesired(message: BusMessage, worker: string): void {
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

  /** An epoch is never used twice, also where the plan that it was for never came into force. */
  private noteEpoch(epoch: number): void {
    this.lastEpoch = Math.max(this.lastEpoch, epoch)
  }

  private onStatus(status: PipelineStatus): void {
    this.statuses.set(status.pipeline, status)
    this.noteEpoch(status.epoch)
  }

  private onPlan(plan: Plan): void {
    this.plans.set(plan.pipeline, plan)
    this.noteEpoch(plan.epoch)
    // It may have to be cut anew when nobody is there who has it.
    const model = partsOf(plan.model).map(({ sha256 }) => sha256)
    this.track(this.parts.store.hold(`plan ${plan.pipeline}`, model))
  }

  private onSpec(message: BusMessage, pipeline: string): void {
    if (message.payload.byteLength === 0) return this.track(this.undeploy(pipeline))
    this.take(Spec, message, spec => {
      if (this.running.get(pipeline)?.spec.deployment === spec.deployment) return
      const inForce = this.plans.get(pipeline)?.deployment === spec.deployment
      const status = this.statuses.get(pipeline)
      const ended = status?.deployment === spec.deployment && ENDED.includes(status.state)
      if (!inForce && !ended) this.begin(spec)
    })
  }

  private begin(spec: Spec): void {
    const previous = this.running.get(spec.pipeline)
    previous?.abort.abort()
    const abort = new AbortController()
    const running: Running = { spec, abort, done: Promise.resolve() }
    this.running.set(spec.pipeline, running)
    running.done = (previous?.done ?? Promise.resolve()).then(() => this.carryOut(spec, abort.signal))
    this.track(running.done)
  }

  private async carryOut(spec: Spec, signal: AbortSignal): Promise<void> {
    const { registry, assignments, options, term } = this
    const nextEpoch = () => ++this.lastEpoch
    const plans = () => this.plans.values()
    try {
      const plan = await deploy(
        spec,
        { ...this.parts, registry, assignments, options, term, nextEpoch, plans },
        signal,
      )
      this.onPlan(plan)
      // What came before, be it in force or left half done by an earlier leader.
      await assignments.remove(({ pipeline, epoch }) => pipeline === spec.pipeline && epoch !== plan.epoch)
    } catch (error) {
      if (signal.aborted) return
      const failure = MillraceError.from(error, 'PIPELINE_FAILED')
      await publishStatus(this.parts, {
        ...idOf(spec),
        state: 'failed',
        epoch: this.lastEpoch,
        error: failure.toInfo(),
      })
    }
  }

  private async undeploy(pipeline: string): Promise<void> {
    const running = this.running.get(pipeline)
    running?.abort.abort()
    this.running.delete(pipeline)
    await running?.done
    this.plans.delete(pipeline)
    this.statuses.delete(pipeline)
    await this.parts.store.hold(`plan ${pipeline}`, [])
    await this.assignments.remove(activation => activation.pipeline === pipeline)
    const { bus, topics } = this.parts
    for (const topic of [topics.pipeline.plan(pipeline), topics.pipeline.status(pipeline)]) {
      await bus.publish(topic, new Uint8Array(), { qos: 1, retain: true })
    }
  }

  /** Says of every pipeline in force whether all its stages are there. Moving their stages is not done yet. */
  private watchHealth(): void {
    const check = merge(this.registry.change$, interval(HEALTH_MS)).subscribe(() => {
      for (const plan of this.plans.values()) this.assess(plan)
    })
    void this.ended.then(() => check.unsubscribe())
  }

  private assess(plan: Plan): void {
    const status = this.statuses.get(plan.pipeline)
    if (status?.deployment !== plan.deployment || (status.state !== 'ready' && status.state !== 'degraded'))
      return
    const error = this.healthOf(plan)
    const state = error === undefined ? 'ready' : 'degraded'
    if (state === status.state) return
    const { pipeline, deployment, epoch } = plan
    const next: PipelineStatus = {
      pipeline,
      deployment,
      epoch,
      state,
      ...(error === undefined ? {} : { error }),
    }
    this.statuses.set(pipeline, next)
    this.track(publishStatus(this.parts, next))
  }

  /** What keeps a plan from working, if anything does. */
  private healthOf(plan: Plan): ErrorInfo | undefined {
    const { pipeline, epoch, stages } = plan
    for (const { stage, worker, replica } of stages) {
      const view = this.registry.get(worker)
      if (view === undefined) {
        return new MillraceError('WORKER_LOST', `worker '${worker}', of stage ${stage}, is gone`).toInfo()
      }
      const key = activationKeyOf({ pipeline, epoch, stage, replica })
      const actual = view.actual?.activations.find(one => activationKeyOf(one) === key)
      if (actual?.state === 'failed') return errorOf(actual).toInfo()
    }
    return undefined
  }

  private track(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.parts.onTrouble(MillraceError.from(error)))
  }

  private async halt(reason: MillraceError | undefined): Promise<void> {
    const running = [...this.running.values()]
    this.running.clear()
    for (const { abort } of running) abort.abort()
    const subscriptions = this.subscriptions.splice(0)
    await Promise.allSettled([
      ...running.map(({ done }) => done),
      ...subscriptions.map(subscription => subscription.close()),
    ])
    this.end(reason)
  }
}
