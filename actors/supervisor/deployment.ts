import { fromEvent, interval, merge, type Observable } from 'rxjs'
import { type Bus } from '../../core/bus.js'
import {
  type Activation,
  activationKeyOf,
  encodeControl,
  errorOf,
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
import { costsOf, type CostsParts, dataOf } from './model-costs.js'
import { activationsOf, LEAST_WINDOW, type Placed, planStagesOf, windowOf } from './placement.js'
import { type WorkerRegistry, type WorkerView } from './registry.js'
import { type CutModel } from './workshop/messages.js'
import { cutModel } from './workshop/workshop.js'

/** What a deployment works with; the supervisor's. */
export interface DeploymentParts extends CostsParts {
  readonly bus: Bus
  readonly topics: Topics
  readonly term: number
  readonly registry: WorkerRegistry
  readonly assignments: Assignments
  /** Of this machine, as workers measure theirs; left out: every worker counts as equally fast. */
  readonly speed?: Speed | undefined
  /** All plans in force. */
  readonly plans: () => Iterable<Plan>
  /** The next epoch; each call gives a larger one. */
  readonly nextEpoch: () => number
}

const RECHECK_MS = 500

/**
 * Carries one spec out: fetch the model, find out what it costs, plan, cut it, assign its parts, wait until all are loaded,
 * publish the plan.
 * @returns the plan in force
 * @throws what it failed for; nothing stays assigned then
 */
export async function deploy(spec: Spec, parts: DeploymentParts, signal: AbortSignal): Promise<Plan> {
  try {
    await hold(spec, parts, partsOf(spec.model))
    return await carryOut(spec, parts, signal)
  } finally {
    await hold(spec, parts, [])
  }
}

/** Until the assignments and the plan hold what they need themselves. */
function hold({ deployment }: Spec, { store }: DeploymentParts, parts: readonly PartId[]): Promise<void> {
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
  const say = (state: PipelineStatus['state']) => publishStatus(parts, { ...idOf(spec), state, epoch })
  await say('fetching')
  await fetchModel(spec, parts, signal)
  await say('planning')
  await waitForWorkers(parts, signal)
  const costs = await costsOf(spec.model, spec.partitions ?? 1, parts, signal)
  const workers = workersFor(spec, costs, parts, await waitForWorkers(parts, signal))
  const { speed, options } = parts
  const chosen = await choosePlan(spec, costs, workers, { speed, planMs: options.planMs }, signal)
  const cut = await cutAt(chosen.cuts, spec, parts, signal)
  const placed = placedAs(chosen, cut)
  const activations = activationsOf(spec, placed, parts, epoch)
  await say('loading')
  try {
    await parts.assignments.add(activations)
    await waitUntilReady(activations, spec, parts, signal)
  } catch (error) {
    await parts.assignments.remove(isOf(spec.pipeline, epoch))
    throw error
  }
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

/** Tests whether an activation belongs to a pipeline in one epoch. */
function isOf(pipeline: string, epoch: number): (activation: Activation) => boolean {
  return activation => activation.pipeline === pipeline && activation.epoch === epoch
}

export function idOf({ pipeline, deployment }: Spec): { pipeline: string; deployment: string } {
  return { pipeline, deployment }
}

async function publishPlan({ bus, topics }: DeploymentParts, plan: Plan): Promise<void> {
  await bus.publish(topics.pipeline.plan(plan.pipeline), encodeControl(plan), { qos: 1, retain: true })
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
  if (alive().length === 0) {
    const none = () => new MillraceError('NO_WORKER', `no worker is alive after ${options.workerWaitMs} ms`)
    await firstWhere(changes(registry, signal), () => alive().length > 0, options.workerWaitMs, none)
  }
  return alive()
}

/** With the memory that other pipelines have taken there, as it was predicted. */
function workersFor(
  { pipeline }: Spec,
  { memory }: Costs,
  { plans }: DeploymentParts,
  views: readonly WorkerView[],
): PlanWorker[] {
  const others = [...plans()].filter(plan => plan.pipeline !== pipeline).flatMap(({ stages }) => stages)
  return views.map(({ birth, actual }) => {
    const here = others.filter(({ worker }) => worker === birth.worker)
    // All that run on a worker are in one process.
    const takenBytes = here.reduce(
      (sum, { memoryBytes = 0 }) => sum + Math.max(0, memoryBytes - memory.processBytes),
      0,
    )
    return { birth, links: actual?.links, takenBytes }
  })
}

function cutAt(
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
    made => hold(spec, parts, [...partsOf(spec.model), ...made.parts.map(({ part }) => part)]),
    signal,
  )
}

function placedAs({ stages }: ChosenPlan, { parts }: CutModel): Placed[] {
  return stages.flatMap(({ replicas, computeMs, memoryBytes }, stage) => {
    const part = parts[stage]
    return part === undefined ? [] : [{ part: { ...part, computeMs, memoryBytes }, replicas }]
  })
}

/** When what is waited for may have changed: silence is no event, so also from time to time. */
function changes(registry: WorkerRegistry, signal: AbortSignal): Observable<unknown> {
  return merge(registry.change$, fromEvent(signal, 'abort'), interval(RECHECK_MS))
}

function refuseStopped(signal: AbortSignal): void {
  if (signal.aborted) throw new MillraceError('STOPPED', 'the deployment was stopped')
}

async function waitUntilReady(
  activations: ReadonlyMap<string, readonly Activation[]>,
  spec: Spec,
  { registry }: DeploymentParts,
  signal: AbortSignal,
): Promise<void> {
  const wanted = [...activations].flatMap(([worker, list]) =>
    list.map(one => ({ worker, key: activationKeyOf(one) })),
  )
  const ready = () => {
    refuseStopped(signal)
    return wanted.every(({ worker, key }) => isReady(registry, worker, key))
  }
  if (ready()) return
  const late = () => {
    const missing = wanted.filter(({ worker, key }) => !isReady(registry, worker, key)).map(({ key }) => key)
    return new MillraceError(
      'DEPLOY_TIMEOUT',
      `${missing.join(', ')} of ${wanted.length} stages are not loaded`,
    )
  }
  await firstWhere(changes(registry, signal), ready, spec.deployTimeoutMs, late)
}

/** @throws WORKER_LOST; or why the worker could not load it */
function isReady(registry: WorkerRegistry, worker: string, key: string): boolean {
  const view = registry.get(worker)
  if (view === undefined)
    throw new MillraceError('WORKER_LOST', `worker '${worker}' is gone while it loads ${key}`)
  const state = view.actual?.activations.find(activation => activationKeyOf(activation) === key)
  if (state?.state === 'failed') throw errorOf(state)
  return state?.state === 'ready'
}

function planOf(
  spec: Spec,
  { predicted }: ChosenPlan,
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
    ...(spec.window === undefined ? { leastWindow: LEAST_WINDOW } : {}),
    lz4: spec.lz4,
    sampleError,
    predicted,
    ...(spec.sensors === undefined ? {} : { sensors: spec.sensors }),
  }
}
