import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type ExecutionContext } from 'ava'
import { filter, interval, type Observable, startWith, type Subscription } from 'rxjs'
import { type PartStore, serveParts } from '../../actors/model-store/index.js'
import { costsFileName, thisMachine, writeCosts } from '../../actors/profiler/index.js'
import {
  leaderClientId,
  Supervisor,
  type SupervisorOptions,
  supervisorOptions,
  type SupervisorParts,
} from '../../actors/supervisor/index.js'
import { deathWill } from '../../actors/worker/index.js'
import { type Bus } from '../../core/bus.js'
import {
  type Activation,
  type ActorProgress,
  type ActivationState,
  type Actual,
  type Birth,
  Desired,
  encodeControl,
  type PartSource,
  PipelineStatus,
  Plan,
  type Spec,
} from '../../core/control/index.js'
import { type Costs } from '../../core/costs/index.js'
import { type MillraceError } from '../../core/errors.js'
import { parseOptions } from '../../core/options.js'
import { doubler, hear, testStore } from './actors.js'
import { testBroker, testFolder, TOPICS, until } from './actors.js'
import { evenCosts } from './costs.js'

const { worker, pipeline } = TOPICS
const OPTIONS = { workerWaitMs: 60_000, measureMs: 1, deadAfterMs: 60_000 }
/** Six doublings of two numbers. */
export const MODEL = doubler(6)

/** Says of all that it is to run that it is ready, or what a test says. */
export class Puppet {
  private beats: Subscription
  readonly desired: Activation[] = []
  /** What it is to fetch beforehand, and says that it has. */
  prefetch: readonly PartSource[] = []
  /** What its beats say of its actors. */
  progress: () => readonly ActorProgress[] = () => []
  /** When its beats say that they are sent. */
  clock: () => number = Date.now
  /** What it says that it has measured. */
  links: Actual['links'] = []

  private constructor(
    private readonly bus: Bus,
    private readonly id: string,
  ) {
    this.beats = this.beatOn()
  }

  async beat(): Promise<void> {
    const beat = { worker: this.id, incarnation: 1, at: this.clock(), rssBytes: 1, actors: this.progress() }
    await this.bus.publish(worker.beat(this.id), encodeControl(beat))
  }

  static async start(
    t: ExecutionContext,
    bus: Bus,
    id: string,
    state: Partial<ActivationState> = {},
    about: Partial<Birth> = {},
  ) {
    const puppet = new Puppet(bus, id)
    t.teardown(() => puppet.beats.unsubscribe())
    const birth = { worker: id, incarnation: 1, cores: 1, memoryBytes: 2 ** 32, bornAt: 1, ...about }
    await bus.publish(worker.birth(id), encodeControl(birth), { qos: 1, retain: true })
    await bus.subscribe(worker.desired(id), ({ payload }) => puppet.obey(payload, state))
    return puppet
  }

  fallSilent(): void {
    this.beats.unsubscribe()
  }

  /** As it did before it fell silent. */
  comeBack(): void {
    this.beats = this.beatOn()
  }

  /** Reports what it is to run in this state. */
  async give(state: Partial<ActivationState>): Promise<void> {
    const activations = this.desired.map(({ pipeline, epoch, stage, replica }) => {
      return { pipeline, epoch, stage, replica, state: 'ready', ...state }
    })
    const prefetched = this.prefetch.map(({ sha256 }) => sha256)
    const { id, links } = this
    const actual = encodeControl({ worker: id, incarnation: 1, activations, prefetched, links })
    await this.bus.publish(worker.actual(this.id), actual, { qos: 1, retain: true })
  }

  async die(): Promise<void> {
    this.fallSilent()
    const { topic, payload } = deathWill(TOPICS, this.id, 1)
    await this.bus.publish(topic, payload, { qos: 1 })
  }

  private beatOn(): Subscription {
    return interval(50)
      .pipe(startWith(0))
      .subscribe(() => void this.beat().catch(() => undefined))
  }

  private obey(payload: Uint8Array, state: Partial<ActivationState>): void {
    const given =
      payload.byteLength === 0
        ? Desired.parse({ term: 0, activations: [] })
        : Desired.parse(JSON.parse(new TextDecoder().decode(payload)))
    this.desired.splice(0, Infinity, ...given.activations)
    this.prefetch = given.prefetch ?? []
    void this.give(state)
  }
}

/** A broker, on which supervisors and puppets can be started and pipelines asked for. */
export async function supervising(t: ExecutionContext) {
  const profiles = await knownCosts(t)
  const { broker, connect, dial } = await testBroker(t)
  const [bus, user] = [await connect('workers'), await connect('user')]
  const troubles: MillraceError[] = []
  const start = async (
    id = 'one',
    options: Partial<SupervisorOptions> = {},
    given?: PartStore,
    more: Partial<SupervisorParts> = {},
  ) => {
    const own = await dial(leaderClientId(TOPICS), { reconnect: false })
    const store = given ?? (await testStore(t))
    const onTrouble = (error: MillraceError) => troubles.push(error)
    const parts = { id, bus: own, topics: TOPICS, store, onTrouble, ...more }
    const settings = parseOptions(supervisorOptions, { ...OPTIONS, profileDir: profiles, ...options }, 'test')
    const supervisor = await Supervisor.start(parts, settings)
    t.teardown(() => supervisor.stop())
    return { supervisor, own, store }
  }
  const puppet = (id: string, state?: Partial<ActivationState>, about?: Partial<Birth>) =>
    Puppet.start(t, bus, id, state, about)
  const puppets = (count: number) => Promise.all(Array.from({ length: count }, (_, i) => puppet(`w${i + 1}`)))
  const ask = async (deployment: string, change: Partial<Spec> = {}, model = MODEL) => {
    const sha256 = change.model?.sha256 ?? createHash('sha256').update(model).digest('hex')
    await serveParts(
      user,
      TOPICS,
      async (wanted, at, length) => {
        return wanted === sha256 ? model.subarray(at, at + length) : undefined
      },
      () => {},
    )
    await user.publish(pipeline.spec('p'), encodeControl(specOf(deployment, change, model)), {
      qos: 1,
      retain: true,
    })
  }
  const statuses = await hear(user, pipeline.statuses, PipelineStatus)
  const plans = await hear(user, pipeline.plans, Plan)
  const ends = (deployment: string) => end(statuses, deployment)
  return { broker, bus, user, start, puppet, puppets, ask, statuses, plans, ends, troubles }
}

export function specOf(deployment: string, change: Partial<Spec> = {}, model = MODEL): Spec {
  const sha256 = createHash('sha256').update(model).digest('hex')
  const about = { sha256, bytes: model.byteLength, name: 'doubler.onnx' }
  return {
    pipeline: 'p',
    deployment,
    model: about,
    lz4: 'never',
    links: 'auto',
    deployTimeoutMs: 60_000,
    ...change,
  }
}

/** Six blocks, as if they had been measured. */
export function costsOf(model: Uint8Array, ms = 20): Costs {
  const sha256 = createHash('sha256').update(model).digest('hex')
  return { ...evenCosts(6, ms), model: { name: 'd', sha256, bytes: 1 }, machine: thisMachine() }
}

/** A folder with the costs of the model, so that not each test measures them. */
async function knownCosts(t: ExecutionContext): Promise<string> {
  const folder = await testFolder(t)
  const costs = costsOf(MODEL, 0.01)
  await writeCosts(join(folder, costsFileName({ sha256: costs.model.sha256, ...costs })), costs)
  return folder
}

/** How a deployment ended: `ready`, or the code that it failed with. */
export async function end(statuses: Observable<PipelineStatus>, deployment: string): Promise<string> {
  const ended = ({ state }: PipelineStatus) => state === 'ready' || state === 'failed'
  const { state, error } = await until(
    statuses.pipe(filter(status => status.deployment === deployment)),
    ended,
  )
  return error?.code ?? state
}
