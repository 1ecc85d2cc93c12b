import { type Bus } from '../../core/bus.js'
import {
  activationKeyOf,
  encodeControl,
  type ModelFiles,
  type PipelineStatus,
  type Plan,
  type PlanStage,
  type Spec,
  type Speed,
} from '../../core/control/index.js'
import { type Costs } from '../../core/costs/index.js'
import { MillraceError } from '../../core/errors.js'
import { type PlanWorker } from '../../core/planner/index.js'
import { type Topics } from '../../core/topics.js'
import { firstWhere } from '../../core/wait.js'
import { coarsestOf, type Wire, WIRE_ERROR } from '../../core/wire.js'
import { fetchPart, type PartId } from '../model-store/index.js'
import { type Assignments } from './assignments.js'
import { choosePlan, type ChosenPlan, predictAnew } from './choose-plan.js'
import { changes, loadEpoch, publishPlan, refuseStopped } from './epoch.js'
import { costsOf, type CostsParts, dataOf } from './model-costs.js'
import { activationsOf, leastWindowOf, type Placed, planStagesOf, windowOf } from './placement.js'
import { type WorkerRegistry, type WorkerView } from './registry.js'
import { judge, type Rehearsed } from './rehearsal.js'
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

/** How what is deployed comes into force. */
export interface Takeover {
  /** Asked before anything is loaded. @throws what the model is refused for */
  check(cut: CutModel): void
  /** Asked when all is loaded. @returns the pipeline's plan, `made` its own or a part of it */
  place(made: Plan): Plan
}

/**
 * Carries one spec out: fetch the model, find out what it costs, plan, cut it, assign its parts, wait until all are loaded,
 * publish the plan. What is in force before stays as it is until then.
 * @returns the plan in force
 * @throws what it failed for; nothing stays assigned then
 */
export async function deploy(
  spec: Spec,
  parts: DeploymentParts,
  takeover: Takeover,
  signal: AbortSignal,
): Promise<Plan> {
  try {
    await holdParts(spec, parts, partsOf(spec.model))
    return await carryOut(spec, parts, takeover, signal)
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

async function carryOut(
  spec: Spec,
  parts: DeploymentParts,
  takeover: Takeover,
  signal: AbortSignal,
): Promise<Plan> {
  let epoch = parts.nextEpoch()
  const say = (state: PipelineStatus['state']) =>
    publishStatus(parts, { ...idOf(spec), state, epoch, reason: 'deployed' })
  await say('fetching')
  await fetchModel(spec, parts, signal)
  await say('planning')
  await waitForWorkers(parts, signal)
  const costs = await costsOf(spec.model, spec.partitions ?? 1, parts, signal)
  const workers = workersFor(spec, costs, parts, await waitForWorkers(parts, signal))
  const conditions = { speed: await referenceSpeed(workers, parts), planMs: parts.options.planMs }
  const load = async (chosen: ChosenPlan) => {
    await say('loading')
    const loaded = await loadChosen(spec, chosen, parts, takeover, epoch, signal)
    const settled = settledIn(loaded)
    if (settled === chosen) return loaded
    return { ...loaded, chosen: predictAnew(settled, spec, costs, workers, conditions.speed) }
  }
  let loaded = await load(await choosePlan(spec, costs, workers, conditions, signal))
  const limited = settledSpec(
    spec,
    loaded.chosen.wires.map(({ wire }) => wire),
    coarsestOf,
  )
  const choose = (known: readonly PlanWorker[]) => choosePlan(limited, costs, known, conditions, signal)
  const known = { spec, costs, workers, choose, speed: conditions.speed }
  let rehearsed = await judge(loaded, known, parts.registry)
  if (rehearsed.better !== undefined) {
    // First, as there may be no memory for both; what stays where it is has its session kept.
    await unload(loaded, parts)
    epoch = parts.nextEpoch()
    loaded = await load(rehearsed.better)
    rehearsed = await judge(loaded, { ...known, workers: rehearsed.workers }, parts.registry)
  }
  remember(rehearsed.workers, parts)
  const placed = placedAs(rehearsed.chosen, loaded.cut, parts)
  const stages = planStagesOf(spec, placed, parts, epoch)
  const plan = takeover.place(planOf(spec, rehearsed.chosen, loaded.cut, stages, { term: parts.term, epoch }))
  await publishReady(plan, parts)
  return plan
}

/** With the wires that its parts were made for; itself, where they are those of the plan. */
function settledIn({ chosen, cut: { wires } }: LoadedPlan): ChosenPlan {
  if (chosen.wires.every(({ wire }, cut) => wire === wires[cut])) return chosen
  return { ...chosen, wires: chosen.wires.map((one, cut) => ({ ...one, wire: wires[cut] ?? one.wire })) }
}

/**
 * What is asked for when another plan is looked for, where wires are chosen: one that cuts have now, as a coarser one has
 * shown that it costs too much.
 */
export function settledSpec(
  spec: Spec,
  wires: readonly (Wire | undefined)[],
  pick: (wires: readonly (Wire | undefined)[]) => Wire,
): Spec {
  return spec.wire === 'auto' && wires.length > 0 ? { ...spec, wire: pick(wires) } : spec
}

/** Brings a plan into force. */
export async function publishReady(plan: Plan, parts: DeploymentParts): Promise<void> {
  await publishPlan(parts, plan)
  const { epoch, reason } = plan
  const why = reason === undefined ? {} : { reason }
  await publishStatus(parts, { ...idOf(plan), state: 'ready', epoch, ...why })
}

/** Who plans the next time begins with what was rehearsed. */
function remember(workers: readonly PlanWorker[], { registry, slowdownOf }: DeploymentParts): void {
  for (const { birth, slowdown = 1 } of workers) {
    registry.rehearsed(birth.worker, slowdown / slowdownOf(birth.worker))
  }
}

/** A plan whose partitions are on their workers. */
interface LoadedPlan extends Rehearsed {
  readonly cut: CutModel
}

async function loadChosen(
  spec: Spec,
  chosen: ChosenPlan,
  parts: DeploymentParts,
  takeover: Takeover,
  epoch: number,
  signal: AbortSignal,
): Promise<LoadedPlan> {
  const cut = await cutAt(chosen, spec, parts, signal)
  takeover.check(cut)
  const activations = activationsOf(spec, placedAs(chosen, cut, parts), parts, epoch)
  await loadEpoch(activations, parts, spec.deployTimeoutMs, signal)
  return { chosen, cut, activations }
}

async function unload({ activations }: LoadedPlan, { assignments }: DeploymentParts): Promise<void> {
  const keys = new Set([...activations.values()].flat().map(activationKeyOf))
  await assignments.remove(activation => keys.has(activationKeyOf(activation)))
}

export async function publishStatus(
  { bus, topics }: Pick<DeploymentParts, 'bus' | 'topics'>,
  status: PipelineStatus,
): Promise<void> {
  await bus.publish(topics.pipeline.status(status.pipeline), encodeControl(status), { qos: 1, retain: true })
}

export function idOf({ pipeline, deployment }: Pick<Spec, 'pipeline' | 'deployment'>): {
  pipeline: string
  deployment: string
} {
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

/**
 * With the memory that others have taken there, and as fast as they are now. What a pipeline has in force makes room for
 * what takes its place, and none for what is to run beside it.
 */
export function workersFor(
  { pipeline, canary }: Pick<Spec, 'pipeline' | 'canary'>,
  { memory }: Pick<Costs, 'memory'>,
  { plans, slowdownOf, registry }: Pick<DeploymentParts, 'plans' | 'slowdownOf' | 'registry'>,
  views: readonly WorkerView[],
): PlanWorker[] {
  const isOwn = (plan: Plan) => canary === undefined && plan.pipeline === pipeline
  return views.map(({ birth, actual }) => ({
    birth,
    links: actual?.links,
    takenBytes: takenBytes(birth.worker, isOwn, plans(), memory.processBytes),
    slowdown: slowdownOf(birth.worker) * registry.rehearsedSlowdown(birth.worker),
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
  { cuts, wires }: Pick<ChosenPlan, 'cuts' | 'wires'>,
  spec: Spec,
  parts: DeploymentParts,
  signal: AbortSignal,
): Promise<CutModel> {
  const { store } = parts
  const { directory, limitBytes } = store
  const { sha256, name } = spec.model
  const data = dataOf(spec.model, store)
  const wireError = spec.wire === 'auto' ? (spec.wireError ?? WIRE_ERROR) : undefined
  return cutModel(
    { model: store.pathOf(sha256), name, data, cuts, wires, wireError, directory, limitBytes },
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

function askedOf({
  partitions,
  cuts,
  memoryMib,
  replicas,
  exclude,
  wireError,
}: Spec): NonNullable<Plan['asked']> {
  return {
    ...(partitions === undefined ? {} : { partitions }),
    ...(cuts === undefined ? {} : { cuts }),
    ...(memoryMib === undefined ? {} : { memoryMib }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(exclude === undefined ? {} : { exclude }),
    ...(wireError === undefined ? {} : { wireError }),
  }
}

function planOf(
  spec: Spec,
  { cuts, predicted }: ChosenPlan,
  { inputs, outputs, sampleError }: CutModel,
  stages: PlanStage[],
  about: Pick<Plan, 'term' | 'epoch'>,
): Plan {
  return {
    ...idOf(spec),
    ...about,
    handover: 'replay',
    model: spec.model,
    inputs: inputs.map(spec => ({ ...spec, dims: [...spec.dims] })),
    outputs: outputs.map(spec => ({ ...spec, dims: [...spec.dims] })),
    stages,
    window: windowOf(spec, stages.length),
    ...(spec.window === undefined ? { leastWindow: leastWindowOf(stages) } : {}),
    lz4: spec.lz4,
    wire: spec.wire,
    links: spec.links,
    sampleError,
    predicted,
    reason: 'deployed',
    asked: askedOf(spec),
    cuts: [...cuts],
    ...(spec.sensors === undefined ? {} : { sensors: spec.sensors }),
  }
}
