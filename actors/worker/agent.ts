import { availableParallelism, totalmem } from 'node:os'
import { distinctUntilChanged, filter, skip, type Subscription as RxSubscription } from 'rxjs'
import { type Bus } from '../../core/bus.js'
import {
  type Activation,
  type Actual,
  type ActivationState,
  type Beat,
  type Birth,
  decodeControl,
  Desired,
  encodeControl,
  type PartSource,
} from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type Topics } from '../../core/topics.js'
import { withLimit } from '../../core/wait.js'
import { type LinkFigure, measureBrokerLink } from '../benchmark/index.js'
import { availableBytes, cpuQuota } from '../machine/index.js'
import { fetchPart, MIB, type PartStore, serveParts } from '../model-store/index.js'
import { ownUsage, type Readiness, type Runtime } from '../runtime/index.js'
import { crashMessages } from './crash-messages.js'
import { deathWill, refuseTakenId } from './identity.js'
import { KeptRuntime } from './kept-runtime.js'
import { Measurements, NO_PROBES } from './measurements.js'
import { type WorkerOptions } from './options.js'
import { Prefetcher } from './prefetcher.js'
import { Reconciler } from './reconcile.js'

export interface AgentParts {
  readonly id: string
  readonly incarnation: number
  /** Its own connection for control (decision D1), opened with `deathWill` of this id and incarnation. */
  readonly bus: Bus
  readonly topics: Topics
  readonly store: PartStore
  readonly createRuntime: () => Promise<Runtime>
  /** Whether the broker is on another machine, so that the link is worth measuring. Default false. */
  readonly distant?: boolean | undefined
  readonly onTrouble: (error: MillraceError) => void
  /** In which crashes of the runtime are counted, in ms; left out: a minute. */
  readonly restartWindowMs?: number | undefined
}

/** Longer than a runtime process may take, and shorter than whoever stops a worker waits. */
const END_MS = 8_000

/**
 * A worker's agent: says that the worker is there and lives, carries out its desired state through a runtime, and
 * reports the actual one (decisions D3, D4, D5).
 */
export class WorkerAgent {
  private readonly reconciler: Reconciler
  private readonly measurements: Measurements
  private readonly prefetcher: Prefetcher
  private readonly connection: RxSubscription
  private beat: NodeJS.Timeout | undefined
  private brokerLink: LinkFigure | undefined
  private term = 0
  private stopping = false
  private crashCount = 0
  private readonly kept: KeptRuntime

  private constructor(
    private readonly parts: AgentParts,
    private readonly options: WorkerOptions,
    runtime: Runtime,
  ) {
    this.reconciler = new Reconciler({
      fetch: ({ part }, signal) => this.fetch(part, signal),
      activate: (activation, model) => this.activate(activation, model),
      passivate: key => this.runtime.passivate(key),
      onChange: actual => this.report(actual),
    })
    this.measurements = new Measurements(options.benchmark, {
      onSpeed: () => this.announce(),
      onLinks: () => this.report(this.reconciler.actual()),
      onTrouble: parts.onTrouble,
    })
    this.prefetcher = new Prefetcher({
      fetch: (part, signal) => this.prefetch(part, signal),
      onChange: () => this.report(this.reconciler.actual()),
    })
    this.kept = new KeptRuntime(runtime, {
      create: parts.createRuntime,
      restarts: options.runtimeRestarts,
      windowMs: parts.restartWindowMs,
      onCrash: (error, crashed, givenUp) => {
        if (crashed !== undefined) this.tellCrash(crashed)
        this.reconciler.crashed(error, givenUp)
      },
      onStart: () => this.useRuntime(),
      onTrouble: parts.onTrouble,
    })
    this.connection = parts.bus.state$
      .pipe(
        distinctUntilChanged(),
        skip(1),
        filter(state => state === 'connected'),
      )
      .subscribe(() => this.announce())
  }

  private get runtime(): Runtime {
    return this.kept.current
  }

  static async start(parts: AgentParts, options: WorkerOptions): Promise<WorkerAgent> {
    await refuseTakenId(parts, options.heartbeatMs)
    const agent = new WorkerAgent(parts, options, await parts.createRuntime())
    try {
      await agent.begin()
      return agent
    } catch (error) {
      await agent.stop()
      throw error
    }
  }

  /** Leaves the cluster as intended, and takes back what it retained. Idempotent. */
  async stop(): Promise<void> {
    if (this.stopping) return
    this.stopping = true
    clearInterval(this.beat)
    this.connection.unsubscribe()
    const { bus, topics, id, incarnation } = this.parts
    const will = deathWill(topics, id, incarnation)
    await Promise.all([
      this.end('its actors', this.reconciler.stop()),
      this.end('what it fetches', this.prefetcher.stop()),
      this.end('its runtime', this.kept.stop()),
    ])
    await Promise.allSettled([
      bus.publish(will.topic, will.payload, { qos: 1, timeoutMs: 1_000 }),
      ...[topics.worker.birth(id), topics.worker.actual(id)].map(topic =>
        bus.publish(topic, new Uint8Array(), { qos: 1, retain: true, timeoutMs: 1_000 }),
      ),
    ])
  }

  /** What does not end keeps nobody from hearing that the worker leaves. */
  private async end(what: string, ended: Promise<void>): Promise<void> {
    const { id, onTrouble } = this.parts
    const late = () => new MillraceError('STOPPED', `worker '${id}': ${what} did not end in ${END_MS} ms`)
    await withLimit(ended, END_MS, late).catch((error: unknown) => onTrouble(MillraceError.from(error)))
  }

  private async begin(): Promise<void> {
    const { bus, topics, store, id, incarnation, onTrouble } = this.parts
    await bus.subscribe(topics.worker.death(id, incarnation), () => this.announce(), { qos: 1 })
    // Whoever cut a model may be gone, and its parts with it.
    await serveParts(bus, topics, (sha256, at, length) => store.read(sha256, at, length), onTrouble, id)
    await bus.subscribe(topics.worker.desired(id), ({ payload }) => this.desire(payload), { qos: 1 })
    if (this.parts.distant === true) this.brokerLink = await measureBrokerLink(bus, topics.worker.probe(id))
    this.announce()
    this.measurements.use(this.runtime)
    this.beat = setInterval(() => this.sendBeat(), this.options.heartbeatMs)
  }

  /** The birth, again after each reconnection and whenever this incarnation was declared dead. */
  private announce(): void {
    if (this.stopping) return
    const { topics, id, incarnation } = this.parts
    const quota = cpuQuota() ?? Infinity
    const birth: Birth = {
      worker: id,
      incarnation,
      cores: availableParallelism(),
      ...(quota < 1 ? { quota } : {}),
      memoryBytes: totalmem(),
      bornAt: incarnation,
      beatMs: this.options.heartbeatMs,
      inbox: this.runtime.inbox,
      linkMbps: this.brokerLink?.mbps,
      linkRttMs: this.brokerLink?.rttMs,
      speed: this.measurements.speed,
      availableBytes: this.availableBytes(),
    }
    this.publish(topics.worker.birth(id), birth, true)
    this.report(this.reconciler.actual())
    this.sendBeat()
  }

  private availableBytes(): number {
    const { memoryMib } = this.options
    if (memoryMib === undefined) return availableBytes()
    const usedBytes = ownUsage().rssBytes + this.runtime.usage().rssBytes
    return availableBytes({ limitBytes: memoryMib * MIB, usedBytes })
  }

  private desire(payload: Uint8Array): void {
    if (payload.byteLength === 0) {
      this.measurements.apply(NO_PROBES)
      this.prefetcher.apply([])
      return this.obey([])
    }
    const desired = decodeControl(Desired, payload)
    if (desired === undefined || desired.term < this.term || this.stopping) return
    this.term = desired.term
    this.measurements.apply(desired.probes ?? NO_PROBES)
    this.obey(desired.activations)
    this.prefetcher.apply(desired.prefetch ?? [])
  }

  private obey(activations: readonly Activation[]): void {
    // A runtime that is started again needs them again.
    const parts = activations.map(({ part }) => part.sha256)
    this.parts.store
      .hold('activations', parts)
      .catch((error: unknown) => this.parts.onTrouble(MillraceError.from(error)))
    this.reconciler.apply(activations)
  }

  private report(activations: readonly ActivationState[]): void {
    const { topics, id, incarnation } = this.parts
    const [links, prefetched] = [this.measurements.links(), this.prefetcher.here()]
    const actual: Actual = {
      ...{ worker: id, incarnation, term: this.term, activations: [...activations] },
      ...(prefetched.length === 0 ? {} : { prefetched }),
      ...(links.length === 0 ? {} : { links }),
    }
    if (!this.stopping) this.publish(topics.worker.actual(id), actual, true)
  }

  /** Not QoS 1: a beat that waited for a connection would say what is no longer so. */
  private sendBeat(): void {
    const { bus, topics, id, incarnation } = this.parts
    const [agent, runtime] = [ownUsage(), this.runtime.usage()]
    const beat: Beat = {
      worker: id,
      incarnation,
      at: Date.now(),
      rssBytes: agent.rssBytes + runtime.rssBytes,
      cpuMs: agent.cpuMs + runtime.cpuMs,
      countedAt: runtime.at,
      actors: [...this.runtime.progress()],
    }
    bus.publish(topics.worker.beat(id), encodeControl(beat)).catch(() => undefined)
  }

  private publish(topic: string, message: unknown, retain: boolean): void {
    this.parts.bus
      .publish(topic, encodeControl(message), { qos: 1, retain })
      .catch((error: unknown) => this.parts.onTrouble(MillraceError.from(error)))
  }

  /** For as long as pieces come: over a slow link that others fetch over too, a part takes minutes. */
  private fetch(part: PartSource, signal: AbortSignal): Promise<string> {
    const { bus, topics, store, id } = this.parts
    const { pieceTimeoutMs } = this.options
    const holders = part.holders?.filter(holder => holder !== id) ?? []
    const options = { bus, topics, store, requester: id, pieceTimeoutMs, attempts: 5, holders, signal }
    return fetchPart(part, options)
  }

  /** For what may come nothing is removed that may be needed too. */
  private async prefetch(part: PartSource, signal: AbortSignal): Promise<boolean> {
    const { store } = this.parts
    if (await store.has(part)) return true
    if ((await store.freeBytes()) < part.bytes) return false
    await this.fetch(part, signal)
    return true
  }

  private activate(activation: Activation, model: string): Promise<Readiness> {
    const { activationTimeoutMs } = this.options
    return withLimit(this.runtime.activate(activation, model), activationTimeoutMs, () => {
      return new MillraceError('ACTIVATION_FAILED', `the partition did not load in ${activationTimeoutMs} ms`)
    })
  }

  /** Dispatchers find out which of the frames that were in its threads does it again. */
  private tellCrash(runtime: Runtime): void {
    const { topics, id, incarnation } = this.parts
    const crash = { worker: id, incarnation, crash: ++this.crashCount }
    for (const message of crashMessages(crash, this.reconciler.actual(), runtime.inThreads())) {
      this.publish(topics.pipeline.crash(message.pipeline), message, false)
    }
  }

  /** One that was started in the place of another. */
  private useRuntime(): void {
    this.announce()
    this.measurements.use(this.runtime)
    this.reconciler.begin()
  }
}
