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
} from '../../core/control.js'
import { MillraceError } from '../../core/errors.js'
import { type Topics } from '../../core/topics.js'
import { firstWhere } from '../../core/wait.js'
import { fetchPart, type PartId, type PartStore } from '../model-store/index.js'
import { type Assignments } from './assignments.js'
import { type SupervisorOptions } from './options.js'
import { activationsOf, LEAST_WINDOW, place, planStagesOf, windowOf } from './placement.js'
import { type WorkerRegistry } from './registry.js'
import { type PreparedModel } from './workshop/messages.js'
import { prepareModel } from './workshop/workshop.js'

/** What a deployment works with; the supervisor's. */
export interface DeploymentParts {
  readonly bus: Bus
  readonly topics: Topics
  readonly term: number
  readonly store: PartStore
  readonly registry: WorkerRegistry
  readonly assignments: Assignments
  readonly options: SupervisorOptions
  /** The next epoch; each call gives a larger one. */
  readonly nextEpoch: () => number
}

const RECHECK_MS = 500

/**
 * Carries one spec out: fetch the model, prepare its parts, assign them, wait until all are loaded, publish the plan.
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
  const model = await fetchModel(spec, parts, signal)
  await say('planning')
  const workers = await waitForWorkers(parts, signal)
  const prepared = await prepareModel(
    {
      model,
      name: spec.model.name,
      partitions: spec.partitions ?? workers.length,
      fewerWillDo: spec.partitions === undefined,
      data: (spec.model.data ?? []).map(({ location, sha256 }) => ({
        location,
        path: parts.store.pathOf(sha256),
      })),
      directory: parts.store.directory,
      limitBytes: parts.store.limitBytes,
      measureMs: parts.options.measureMs,
      linkMsPerByte: linkMsPerByte(parts.registry, workers),
    },
    made => hold(spec, parts, [...partsOf(spec.model), ...made.parts.map(({ part }) => part)]),
    signal,
  )
  const placed = place(prepared.parts, workers)
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
  const plan = planOf(spec, prepared, stages, parts.term, epoch)
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

/** @returns the path of its file; what that refers to is there too */
async function fetchModel(
  spec: Spec,
  { bus, topics, store }: DeploymentParts,
  signal: AbortSignal,
): Promise<string> {
  const requester = `supervisor-${spec.deployment}`
  const options = { bus, topics, store, requester, pieceTimeoutMs: 5_000, attempts: 3, signal }
  for (const part of partsOf(spec.model)) await fetchPart(part, options)
  return store.pathOf(spec.model.sha256)
}

async function waitForWorkers(
  { registry, options }: DeploymentParts,
  signal: AbortSignal,
): Promise<string[]> {
  const alive = () => {
    refuseStopped(signal)
    return registry.alive().map(({ birth }) => birth.worker)
  }
  if (alive().length === 0) {
    const none = () => new MillraceError('NO_WORKER', `no worker is alive after ${options.workerWaitMs} ms`)
    await firstWhere(changes(registry, signal), () => alive().length > 0, options.workerWaitMs, none)
  }
  return alive()
}

/** Of the slowest link that is known: any worker may come to stand anywhere. */
function linkMsPerByte(registry: WorkerRegistry, workers: readonly string[]): number {
  const known = workers.map(worker => registry.get(worker)?.birth.linkMbps ?? Infinity)
  return 8e-3 / Math.min(...known)
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

function planOf(spec: Spec, prepared: PreparedModel, stages: PlanStage[], term: number, epoch: number): Plan {
  return {
    ...idOf(spec),
    term,
    epoch,
    model: spec.model,
    inputs: prepared.inputs.map(spec => ({ ...spec, dims: [...spec.dims] })),
    outputs: prepared.outputs.map(spec => ({ ...spec, dims: [...spec.dims] })),
    stages,
    window: windowOf(spec, stages.length),
    ...(spec.window === undefined ? { leastWindow: LEAST_WINDOW } : {}),
    lz4: spec.lz4,
    sampleError: prepared.sampleError,
    handover: 'replay',
    ...(spec.sensors === undefined ? {} : { sensors: spec.sensors }),
  }
}
