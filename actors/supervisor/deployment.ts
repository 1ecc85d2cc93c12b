import { type Bus } from '../../core/bus.js'
import {
  encodeControl,
  type ModelFiles,
  type PipelineStatus,
  type Plan,
  type PlanStage,
  type Spec,
  type Speed,
} from '../../core/control.js'
import { type Costs } from '../../core/costs/index.js'
import { MillraceError } from '../../core/errors.js'
import { type PlanWorker } from '../../core/planner/index.js'
import { type Topics } from '../../core/topics.js'
import { firstWhere } from '../../core/wait.js'
import { fetchPart, type PartId } from '../model-store/index.js'
import { type Assignments } from './assignments.js'
import { choosePlan, type ChosenPlan } from './choose-plan.js'
import { changes, loadEpoch, publishPlan, refuseStopped } from './epoch.js'
import { costsOf, type CostsParts, dataOf } from './model-costs.js'
import { activationsOf, leastWindowOf, type Placed, planStagesOf, windowOf } from './placement.js'
import { type WorkerRegistry, type WorkerView } from './registry.js'
import { takenBytes } from './taken.js'
import { type CutModel } from './workshop/messages.js'
import { cutModel } from './workshop/workshop.js'

/** What a deployment works with; the supervisor's. */
export interface DeploymentParts extends CostsParts {
  readonly bus: Bus
  readonly topics: Topics
  readonly term: number
  readonly registry: WorkerRegistry
  readonly assignments: Assignments
  /** As in `SupervisorParts`. */
  readonly measureSpeed?: (() => Promise<Speed>) | undefined
  /** All plans in force. */
  readonly plans: () => Iterable<Plan>
  /** How many times slower than usual a worker is now: 1 or more. */
  readonly slowdownOf: (worker: string) => number
  /** The next epoch; each call gives a larger one. */
  readonly nextEpoch: () => number
}

/**
 * Carries one spec out: fetch the model, find out what it costs, plan, cut it, assign its parts, wait until all are loaded,
 * publish the plan.
 * @returns the plan in force
 * @throws what it failed for; nothing stays assigned then
 */
export async function deploy(spec: Spec, parts: DeploymentParts, signal: AbortSignal): Promise<Plan> {
  try {
    await holdParts(spec, parts, partsOf(spec.model))
    return await carryOut(spec, parts, signal)
  } finally {
    await holdParts(spec, parts, [])
  }
}

/** Until the assignments and the plan hold what they need themselves. */
export function holdParts(
  { deployment }: Spec,
  { store }: DeploymentParts,
  parts: readonly PartId[],
): Promise<void> {
  return store.hold(
    `deployment ${deployment}`,
    parts.map(({ sha256 }) => sha256),
  )
}

/** All that has to be there before a model can be cut. */
export function partsOf(model: ModelFiles): PartId[] {
  return [model, ...(model.data ?? [])]
}

async function carryOut(spec: Spec, parts: DeploymentParts, signal: AbortSignal): Promise<Plan> {
  const epoch = parts.nextEpoch()
  const say = (state: PipelineStatus['state']) =>
    publishStatus(parts, { ...idOf(spec), state, epoch, reason: 'deployed' })
  await say('fetching')
  await fetchModel(spec, parts, signal)
  await say('planning')
  await waitForWorkers(parts, signal)
  const costs = await costsOf(spec.model, spec.partitions ?? 1, parts, signal)
  const workers = workersFor(spec.pipeline, costs, parts, await waitForWorkers(parts, signal))
  const conditions = { speed: await referenceSpeed(workers, parts), planMs: parts.options.planMs }
  const chosen = await choosePlan(spec, costs, workers, conditions, signal)
  const cut = await cutAt(chosen.cuts, spec, parts, signal)
  const placed = placedAs(chosen, cut, parts)
  const activations = activationsOf(spec, placed, parts, epoch)
  await say('loading')
  await loadEpoch(activations, parts, spec.deployTimeoutMs, signal)
  const stages = planStagesOf(spec, placed, parts, epoch)
  const plan = planOf(spec, chosen, cut, stages, parts.term, epoch)
  await publishPlan(parts, plan)
  await say('ready')
  return plan
}

export async function publishStatus(
  { bus, topics }: Pick<DeploymentParts, 'bus' | 'topics'>,
  status: PipelineStatus,
): Promise<void> {
  await bus.publish(topics.pipeline.status(status.pipeline), encodeControl(status), { qos: 1, retain: true })
}

export function idOf({ pipeline, deployment }: Spec): { pipeline: string; deployment: string } {
  return { pipeline, deployment }
}

/** Into the store, with what it refers to. */
async function fetchModel(
  spec: Spec,
  { bus, topics, store }: DeploymentParts,
  signal: AbortSignal,
): Promise<void> {
  const requester = `supervisor-${spec.deployment}`
  const options = { bus, topics, store, requester, pieceTimeoutMs: 5_000, attempts: 3, signal }
  for (const part of partsOf(spec.model)) await fetchPart(part, options)
}

async function waitForWorkers(
  { registry, options }: DeploymentParts,
  signal: AbortSignal,
): Promise<WorkerView[]> {
  const alive = () => {
    refuseStopped(signal)
    return registry.alive()
  }
  // Who has just been heard of for the first time is about to beat: a plan without it would be worse.
  const ready = () => alive().length > 0 && !registry.isSettling()
  if (!ready()) {
    const none = () => new MillraceError('NO_WORKER', `no worker is alive after ${options.workerWaitMs} ms`)
    await firstWhere(changes(registry, signal), ready, options.workerWaitMs, none).catch((error: unknown) => {
      if (alive().length === 0) throw error
    })
  }
  return alive()
}

/** With the memory that other pipelines have taken there, and as fast as they are now. */
export function workersFor(
  pipeline: string,
  { memory }: Pick<Costs, 'memory'>,
  { plans, slowdownOf }: Pick<DeploymentParts, 'plans' | 'slowdownOf'>,
  views: readonly WorkerView[],
): PlanWorker[] {
  return views.map(({ birth, actual }) => ({
    birth,
    links: actual?.links,
    takenBytes: takenBytes(birth.worker, pipeline, plans(), memory.processBytes),
    slowdown: slowdownOf(birth.worker),
  }))
}

/** Of the machine that costs were measured on, where there is something to compare with it. */
export async function referenceSpeed(
  workers: readonly PlanWorker[],
  { measureSpeed, onTrouble }: DeploymentParts,
): Promise<Speed | undefined> {
  if (workers.every(({ birth }) => birth.speed === undefined)) return undefined
  try {
    return await measureSpeed?.()
  } catch (error) {
    onTrouble(MillraceError.from(error))
    return undefined
  }
}

export function cutAt(
  cuts: readonly number[],
  spec: Spec,
  parts: DeploymentParts,
  signal: AbortSignal,
): Promise<CutModel> {
  const { store } = parts
  const { directory, limitBytes } = store
  const { sha256, name } = spec.model
  const data = dataOf(spec.model, store)
  return cutModel(
    { model: store.pathOf(sha256), name, data, cuts, directory, limitBytes },
    made => holdParts(spec, parts, [...partsOf(spec.model), ...made.parts.map(({ part }) => part)]),
    signal,
  )
}

export function placedAs(
  { stages }: ChosenPlan,
  { parts }: CutModel,
  { slowdownOf }: Pick<DeploymentParts, 'slowdownOf'>,
): Placed[] {
  return stages.flatMap(({ replicas, computeMs, memoryBytes }, stage) => {
    const part = parts[stage]
    if (part === undefined) return []
    const on = replicas.map(replica => ({ ...replica, slowdown: slowdownOf(replica.worker) }))
    return [{ part: { ...part, computeMs, memoryBytes }, replicas: on }]
  })
}

function askedOf({ partitions, replicas, exclude }: Spec): NonNullable<Plan['asked']> {
  return {
    ...(partitions === undefined ? {} : { partitions }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(exclude === undefined ? {} : { exclude }),
  }
}

function planOf(
  spec: Spec,
  { cuts, predicted }: ChosenPlan,
  { inputs, outputs, sampleError }: CutModel,
  stages: PlanStage[],
  term: number,
  epoch: number,
): Plan {
  return {
    ...idOf(spec),
    term,
    epoch,
    model: spec.model,
    inputs: inputs.map(spec => ({ ...spec, dims: [...spec.dims] })),
    outputs: outputs.map(spec => ({ ...spec, dims: [...spec.dims] })),
    stages,
    window: windowOf(spec, stages.length),
    ...(spec.window === undefined ? { leastWindow: leastWindowOf(stages) } : {}),
    lz4: spec.lz4,
    links: spec.links,
    handover: 'replay',
    sampleError,
    predicted,
    reason: 'deployed',
    asked: askedOf(spec),
    cuts: [...cuts],
    ...(spec.sensors === undefined ? {} : { sensors: spec.sensors }),
  }
}
