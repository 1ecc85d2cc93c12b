import { type Bus } from '../../core/bus.js'
import {
  encodeControl,
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
import { changes, loadEpoch, publishPlan, refuseStopped } from './epoch.js'
import { type SupervisorOptions } from './options.js'
import { activationsOf, leastWindowOf, place, planStagesOf, windowOf } from './placement.js'
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
  await loadEpoch(activations, parts, spec.deployTimeoutMs, signal)
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

export function idOf({ pipeline, deployment }: Spec): { pipeline: string; deployment: string } {
  return { pipeline, deployment }
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
    ...(spec.window === undefined ? { leastWindow: leastWindowOf(stages) } : {}),
    lz4: spec.lz4,
    links: spec.links,
    sampleError: prepared.sampleError,
    handover: 'replay',
    ...(spec.sensors === undefined ? {} : { sensors: spec.sensors }),
  }
}
