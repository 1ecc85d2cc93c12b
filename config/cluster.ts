import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { BehaviorSubject, filter, type Observable, ReplaySubject, Subject } from 'rxjs'
import { Dispatcher, reportOn } from '../actors/dispatcher/index.js'
import { serveParts } from '../actors/model-store/index.js'
import {
  checkImageOptions,
  deployOptions,
  type DeployOptions,
  type DeployOptionsInput,
  sensorSettingsOf,
} from '../actors/supervisor/index.js'
import { type Journal } from '../actors/journal/index.js'
import { type Bus, type BusMessage } from '../core/bus.js'
import { type Cleanup } from '../core/cleanup.js'
import {
  Crash,
  decodeControl,
  encodeControl,
  errorOf,
  Leader,
  type Order,
  PipelineStatus,
  Plan,
  type Spec,
} from '../core/control/index.js'
import { MillraceError } from '../core/errors.js'
import { type DispatcherJournal } from '../core/journal.js'
import { brokerLink, type Link } from '../core/link.js'
import { parseOptions } from '../core/options.js'
import { levelsBelow, type Topics } from '../core/topics.js'
import { firstWhere } from '../core/wait.js'
import { withCalibration } from './calibration.js'
import { type ConnectOptions } from './connect-options.js'
import { type ModelSource, openModel, pipelineNameOf } from './model-source.js'
import { Pipeline } from './pipeline.js'
import { restorations } from './restorations.js'

/** A connection to a cluster: two to its broker, one for control and one for frames (decision D1). */
export interface ClusterParts {
  readonly control: Bus
  readonly data: Bus
  readonly topics: Topics
  readonly options: ConnectOptions
  /** Keeps the frames of its dispatchers. */
  readonly journal?: Journal | undefined
  readonly trouble$?: Subject<MillraceError>
  /** What is stopped with the connection; the cluster itself, where it was started for it. */
  readonly cleanup: Cleanup
}

/** MQTT does not say which retained value is the last: they come at once after a subscription. */
const SETTLE_MS = 300

/** A running cluster, seen by one of its users. */
export class Cluster {
  /** Trouble that nothing waits for, such as a message that is not one. */
  readonly trouble$: Subject<MillraceError>
  private readonly statuses = new LatestByName<PipelineStatus>()
  private readonly plans = new LatestByName<Plan>()
  private readonly crash$ = new Subject<Crash>()
  private readonly leader$ = new ReplaySubject<Leader>(1)
  private readonly link: Link
  private readonly pipelines = new Set<Pipeline>()

  private constructor(private readonly parts: ClusterParts) {
    this.trouble$ = parts.trouble$ ?? new Subject()
    this.link = brokerLink(parts.data, parts.options)
  }

  static async open(parts: ClusterParts): Promise<Cluster> {
    const cluster = new Cluster(parts)
    await cluster.watch()
    return cluster
  }

  get topics(): Topics {
    return this.parts.topics
  }

  /** The connection for control messages. */
  get control(): Bus {
    return this.parts.control
  }

  /**
   * Has the cluster's supervisor cut a model and load it, and connects to it. Another model under a name that is in use is a
   * new version, which takes all frames, or with `canary` a share of them.
   * @param model  path of an ONNX file, or its bytes
   * @throws CANARY_REFUSED, NO_SUPERVISOR, NO_WORKER, PLAN_INFEASIBLE, TOO_MANY_PARTITIONS, VERIFY_FAILED, DEPLOY_TIMEOUT, OPTION_UNKNOWN,
   *   OPTION_INVALID, and what `openModel` and `withCalibration` throw
   */
  async deploy(model: string | Uint8Array, options: DeployOptionsInput = {}): Promise<Pipeline> {
    const parsed = parseOptions(deployOptions, options, 'deploy')
    const source = await withCalibration(await openModel(model, parsed.input), parsed.calibration)
    checkImageOptions(parsed, source.graph.inputs)
    await this.supervisor()
    const spec = specOf(source, parsed)
    const { control, topics } = this.parts
    const serving = await serveParts(control, topics, source.read, error => this.trouble$.next(error))
    try {
      await this.ask(spec)
      return await this.connect(spec.pipeline, spec.deployment)
    } finally {
      await serving.close()
    }
  }

  /**
   * Connects to a pipeline that is deployed.
   * @throws PIPELINE_UNKNOWN: none of this name became known in `connectTimeoutMs`
   */
  pipeline(name: string): Promise<Pipeline> {
    return this.connect(name)
  }

  /**
   * Gives the version that is tried as a canary all frames, between two frames of each stream; nothing is loaded for it.
   * @throws PIPELINE_UNKNOWN; VERSION_NONE: there is no canary; NO_SUPERVISOR, DEPLOY_TIMEOUT
   */
  promote(name: string): Promise<void> {
    return this.order(name, 'promote')
  }

  /**
   * Ends the canary, or, where there is none, brings the version before the one in force back, as that was deployed.
   * @throws PIPELINE_UNKNOWN; VERSION_NONE: no version before is remembered; NO_SUPERVISOR; and what `deploy` throws
   */
  rollback(name: string): Promise<void> {
    return this.order(name, 'rollback')
  }

  /** Takes a pipeline down, for all. */
  async undeploy(name: string): Promise<void> {
    const { control, topics } = this.parts
    await control.publish(topics.pipeline.spec(name), new Uint8Array(), { qos: 1, retain: true })
  }

  /** Takes back everything that is retained under the cluster's root: for a cluster that is no more. */
  async clear(): Promise<void> {
    const { control, topics } = this.parts
    const retained = new Set<string>()
    const subscription = await control.subscribe(topics.all, message => {
      if (message.retained) retained.add(message.topic)
    })
    await setTimeout(SETTLE_MS)
    await subscription.close()
    for (const topic of retained) await control.publish(topic, new Uint8Array(), { qos: 1, retain: true })
  }

  /** Closes all its pipelines and the connection; a cluster that was started for it stops. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([...this.pipelines].map(pipeline => pipeline.close()))
    this.trouble$.complete()
    const [failure] = await this.parts.cleanup.run()
    if (failure !== undefined) throw failure
  }

  private async watch(): Promise<void> {
    const { control, topics } = this.parts
    const on = <T>(
      filter: string,
      schema: Parameters<typeof decodeControl<T>>[0],
      use: (value: T | undefined, name: string) => void,
    ) =>
      control.subscribe(
        filter,
        ({ topic, payload }: BusMessage) => {
          const value = decodeControl(schema, payload)
          // An empty payload takes back what was retained; what cannot be read changes nothing.
          const known = value !== undefined || payload.byteLength === 0
          if (known) use(value, levelsBelow(topics.root, topic)?.[1] ?? '')
        },
        { qos: 1 },
      )
    await on(topics.supervisor.leader, Leader, leader => leader && this.leader$.next(leader))
    await on(topics.pipeline.plans, Plan, (plan, name) => this.plans.next(name, plan))
    await on(topics.pipeline.crashes, Crash, crash => crash && this.crash$.next(crash))
    await on(topics.pipeline.statuses, PipelineStatus, (status, name) => this.statuses.next(name, status))
  }

  private async supervisor(): Promise<void> {
    const { connectTimeoutMs } = this.parts.options
    const none = () =>
      new MillraceError('NO_SUPERVISOR', `no supervisor is known after ${connectTimeoutMs} ms`)
    await firstWhere(this.leader$, () => true, connectTimeoutMs, none)
  }

  private async order(name: string, order: Order['order']): Promise<void> {
    await this.supervisor()
    await this.inForce(name)
    const deployTimeoutMs = deployOptions.deployTimeoutMs.default
    await this.ask({ pipeline: name, deployment: newDeployment(), order, deployTimeoutMs })
  }

  /** Has the supervisor carry something out, and waits for the end of that. */
  private async ask(wish: Spec | Order): Promise<void> {
    const { control, topics } = this.parts
    const { pipeline, deployment, deployTimeoutMs } = wish
    await control.publish(topics.pipeline.spec(pipeline), encodeControl(wish), { qos: 1, retain: true })
    const own = this.statuses.of(pipeline).pipe(filter(status => status.deployment === deployment))
    const late = () =>
      new MillraceError('DEPLOY_TIMEOUT', `'${pipeline}' was not ready in ${deployTimeoutMs} ms`)
    const ended = (status: PipelineStatus) => status.state === 'ready' || status.state === 'failed'
    const status = await firstWhere(own, ended, deployTimeoutMs, late)
    if (status.state === 'failed') throw errorOf(status)
  }

  private async connect(name: string, deployment?: string): Promise<Pipeline> {
    const { control, data, topics } = this.parts
    const plan$ = this.plans.of(name)
    const plan = await this.inForce(name, deployment)
    const journal = this.journalOf(name)
    const anew = journal === undefined || journal instanceof MillraceError
    const id = anew ? `d-${randomBytes(6).toString('hex')}` : journal.id
    const restored$ = restorations(data)
    const onTrouble = (error: MillraceError) => this.trouble$.next(error)
    const { link, crash$ } = this
    const parts = { id, pipeline: name, topics, link, plan$, restored$, crash$, onTrouble, journal }
    const dispatcher = await Dispatcher.start(parts, plan)
    reportOn(dispatcher, { id, pipeline: name, bus: control, topics })
    const pipeline = new Pipeline(name, this.statuses.of(name), dispatcher, order => this.order(name, order))
    this.pipelines.add(pipeline)
    return pipeline
  }

  private inForce(name: string, deployment?: string): Promise<Plan> {
    const unknown = () => new MillraceError('PIPELINE_UNKNOWN', `no pipeline '${name}' is in force`)
    const right = (plan: Plan) => deployment === undefined || plan.deployment === deployment
    return firstWhere(this.plans.of(name), right, this.parts.options.connectTimeoutMs, unknown)
  }

  /** What its journal has of a pipeline; for a further connection to the same one, why that cannot use it. */
  private journalOf(pipeline: string): DispatcherJournal | MillraceError | undefined {
    try {
      return this.parts.journal?.lease(pipeline)
    } catch (error) {
      return MillraceError.from(error)
    }
  }
}

function specOf(source: ModelSource, options: DeployOptions): Spec {
  const {
    name,
    cuts,
    memoryMib,
    replicas,
    exclude,
    window,
    canary,
    lz4,
    wire,
    wireError,
    links,
    deployTimeoutMs,
  } = options
  const partitions = partitionsOf(options)
  return {
    pipeline: name ?? pipelineNameOf(source.model.name),
    deployment: newDeployment(),
    model: source.model,
    ...(partitions === undefined ? {} : { partitions }),
    ...(cuts === undefined ? {} : { cuts: [...cuts] }),
    ...(memoryMib === undefined ? {} : { memoryMib }),
    replicas,
    exclude: [...exclude],
    ...(window === undefined ? {} : { window }),
    lz4,
    ...(wire === 'f32' ? {} : { wire }),
    ...(wire === 'auto' ? { wireError } : {}),
    links,
    deployTimeoutMs,
    sensors: sensorSettingsOf(options),
    ...(canary === undefined ? {} : { canary }),
  }
}

/** @throws OPTION_INVALID: cuts make another number of them than was asked for */
function partitionsOf({ partitions, cuts }: DeployOptions): number | undefined {
  if (cuts === undefined) return partitions
  const made = cuts.length + 1
  if (partitions === undefined || partitions === made) return made
  throw new MillraceError(
    'OPTION_INVALID',
    `'cuts' make ${made} partitions, and 'partitions' is ${partitions}`,
  )
}

/** Tells one request from all others. */
function newDeployment(): string {
  return randomBytes(8).toString('hex')
}

/** The newest value under each name, for whoever asks later. */
class LatestByName<T> {
  private readonly latest = new Map<string, BehaviorSubject<T | undefined>>()

  /** @param value  undefined: there is none any more */
  next(name: string, value: T | undefined): void {
    this.subject(name).next(value)
  }

  of(name: string): Observable<T> {
    return this.subject(name).pipe(filter(value => value !== undefined))
  }

  private subject(name: string): BehaviorSubject<T | undefined> {
    const known = this.latest.get(name) ?? new BehaviorSubject<T | undefined>(undefined)
    this.latest.set(name, known)
    return known
  }
}
