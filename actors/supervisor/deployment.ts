import {
  activationKeyOf,
  type ModelFiles,
  type PipelineStatus,
  type Plan,
  type Spec,
} from '../../core/control/index.js'
import { type PlanWorker } from '../../core/planner/index.js'
import { coarsestOf, type Wire, WIRE_ERROR } from '../../core/wire.js'
import { fetchPart, type PartId } from '../model-store/index.js'
import { choosePlan, type ChosenPlan, predictAnew } from './choose-plan.js'
import { type DeploymentParts } from './deployment-parts.js'
import { loadEpoch } from './epoch.js'
import { planOf } from './made-plan.js'
import { costsOf, dataOf } from './model-costs.js'
import { idOf, publishReady, publishStatus } from './pipeline-status.js'
import { activationsOf, type Placed, planStagesOf } from './placement.js'
import { referenceSpeed, remember, waitForWorkers, workersFor } from './plan-workers.js'
import { judge, type Rehearsed } from './rehearsal.js'
import { type CutModel } from './workshop/messages.js'

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
  const { data = [], calibration } = model
  return [model, ...data, ...(calibration === undefined ? [] : [calibration])]
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

export function cutAt(
  { cuts, wires }: Pick<ChosenPlan, 'cuts' | 'wires'>,
  spec: Spec,
  parts: DeploymentParts,
  signal: AbortSignal,
): Promise<CutModel> {
  const { store } = parts
  const { directory, limitBytes } = store
  const { sha256, name, calibration } = spec.model
  const frames = calibration && store.pathOf(calibration.sha256)
  const data = dataOf(spec.model, store)
  const wireError = spec.wire === 'auto' ? (spec.wireError ?? WIRE_ERROR) : undefined
  return parts.cutModels.cut(
    { model: store.pathOf(sha256), name, data, frames, cuts, wires, wireError, directory, limitBytes },
    store,
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
