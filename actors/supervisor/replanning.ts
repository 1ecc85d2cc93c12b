import { type Plan, type PlanReason, type Predicted } from '../../core/control/index.js'
import { chainOf, type Costs, memoryFactorsOf, timeOf, TYPICAL_TRANSPORT } from '../../core/costs/index.js'
import {
  busiestMs,
  type Chain,
  figuresOf,
  joined,
  type PlannedStage,
  type PlanProblem,
  rebalanced,
  sharesOf,
  workersProblem,
} from '../../core/planner/index.js'
import { mostExactOf, type Wire } from '../../core/wire.js'
import { choosePlan, type ChosenPlan } from './choose-plan.js'
import { type DeploymentParts } from './deployment-parts.js'
import { cutAt, holdParts, placedAs, settledSpec } from './deployment.js'
import { bringInForce, type MendParts, placedOf, timed } from './mending.js'
import { keptCosts, TYPICAL_MEMORY } from './model-costs.js'
import { type Paces } from './paces.js'
import { type Placed } from './placement.js'
import { referenceSpeed, workersFor } from './plan-workers.js'
import { specOf } from './versions.js'

export type ReplanParts = MendParts & DeploymentParts

/** A plan that is better than the one in force. */
export interface Proposal {
  readonly predicted: Predicted
  /** How many times as many frames a second as now, as predicted. */
  readonly gain: number
  /** Has workers load it beside what they run. @returns the plan, which nobody knows yet */
  load(signal: AbortSignal): Promise<Plan>
}

/** Where the parts of a plan are, in the words of the planner. */
interface Situation {
  readonly problem: PlanProblem
  readonly placed: readonly Placed[]
  readonly parts: readonly PlannedStage[]
  readonly paces: Paces
  /** Where the model's costs are known, in blocks that it is cut between. */
  readonly costs: Costs | undefined
}

interface Candidate {
  readonly stages: readonly PlannedStage[]
  readonly ms: number
  /** Undefined: the parts stay what they are. */
  readonly chosen?: ChosenPlan
}

/** Of a process that runs nothing: all that run on a worker are in one. */
const { processBytes } = TYPICAL_MEMORY

/**
 * Looks for a better plan on the workers that are there. Where the number of partitions was asked for, or this supervisor
 * does not have the model, cuts stay as they are.
 * @returns undefined where none is better by as much as the options ask for
 * @throws STOPPED
 */
export async function study(
  plan: Plan,
  reason: PlanReason,
  parts: ReplanParts,
  signal: AbortSignal,
): Promise<Proposal | undefined> {
  const now = await situationOf(plan, parts)
  if (now === undefined) return undefined
  const candidates = [movedParts(now), await otherCuts(plan, now, parts, signal)]
  const [best] = candidates.filter(one => one !== undefined).sort((a, b) => a.ms - b.ms)
  const gain = best === undefined ? 0 : busiestMs(now.problem, now.parts) / best.ms
  if (best === undefined || !(gain >= 1 + parts.options.replanGain)) return undefined
  const predicted = best.chosen?.predicted ?? predictedOf(now.problem, best.stages)
  const next: Plan = { ...plan, predicted, reason, handover: 'drain' }
  const load = (signal: AbortSignal) => loadProposal(next, now, best, parts, signal)
  return { predicted, gain, load }
}

async function situationOf(plan: Plan, parts: ReplanParts): Promise<Situation | undefined> {
  const paces = parts.paces()
  const placed = placedOf(plan, parts.assignments.of(plan.pipeline, plan.epoch), paces)
  const kept = await keptCosts(plan.model, parts)
  const starts = kept === undefined ? undefined : startsOf(plan, kept)
  const costs = starts === undefined ? undefined : kept
  const views = parts.registry.alive()
  const { links, asked: { exclude: excluded = [], memoryMib, replicas = true } = {} } = plan
  const memory = costs?.memory ?? TYPICAL_MEMORY
  const workers = workersFor(specOf(plan), { memory }, parts, views)
  const speed = costs === undefined ? paces.referenceSpeed : await referenceSpeed(workers, parts)
  const limits = { replicas, excluded, straight: links !== 'broker', memoryMib, speed }
  const chain = costs === undefined ? chainOfParts(placed) : chainOf(costs, wiresIn(plan, starts ?? []))
  const problem = workersProblem(chain, workers, memoryFactorsOf({ memory }), limits)
  const edges = [...(starts ?? placed.keys()), chain.blocks.length]
  const device = new Map(problem.devices.map(({ id }, index) => [id, index]))
  const stages = placed.flatMap(({ replicas }, i): PlannedStage[] => {
    const all = replicas.reduce((sum, { weight }) => sum + weight, 0)
    const on = replicas
      .flatMap(({ worker, weight }) => {
        const index = device.get(worker)
        return index === undefined ? [] : [{ index, share: weight / all }]
      })
      .sort((a, b) => a.index - b.index)
    if (on.length < replicas.length) return []
    const [devices, shares] = [on.map(({ index }) => index), on.map(({ share }) => share)]
    return [{ from: edges[i] ?? 0, to: edges[i + 1] ?? 0, devices, shares }]
  })
  // A worker that is gone is a matter of mending.
  return stages.length < placed.length ? undefined : { problem, placed, parts: stages, paces, costs }
}

/** The block that each part begins with; undefined where the costs are of other blocks. */
function startsOf({ cuts, stages }: Plan, { blocks }: Costs): number[] | undefined {
  if (cuts === undefined || cuts.length !== Math.max(...stages.map(({ stage }) => stage))) return undefined
  const starts = [0, ...cuts.map(cut => blocks.findIndex(({ from }) => from === cut))]
  return starts.includes(-1) ? undefined : starts
}

/** What crosses before each block that a part of the plan begins with. */
function wiresIn({ stages }: Plan, starts: readonly number[]): (block: number) => Wire {
  const wires = new Map(starts.slice(1).map((block, i) => [block, stages.find(one => one.stage === i)?.wire]))
  return block => wires.get(block) ?? 'f32'
}

/** What is known of a model whose costs are not: each of its parts is a block. */
function chainOfParts(placed: readonly Placed[]): Chain {
  const crossing = (bytes: number) => {
    const wayMs = timeOf(TYPICAL_TRANSPORT, bytes) / 2
    return { bytes, tensors: 1, sendMs: wayMs, receiveMs: wayMs }
  }
  return {
    blocks: placed.map(({ part: { computeMs, weightBytes } }) => {
      return { computeMs, weightBytes, activationBytes: 0 }
    }),
    crossings: [crossing(0), ...placed.map(({ part }) => crossing(part.outBytes))],
  }
}

function movedParts({ problem, placed, parts }: Situation): Candidate {
  const bytes = placed.map(({ part }) => Math.max(0, part.memoryBytes - processBytes))
  const isThere = (stages: readonly PlannedStage[], part: number, device: number) =>
    stages[part]?.devices.includes(device) === true
  // Until the one before has been left, both are loaded.
  const fits = (moved: readonly PlannedStage[]) =>
    problem.devices.every(({ memoryBytes }, device) => {
      const here = bytes.filter((_, part) => isThere(parts, part, device) || isThere(moved, part, device))
      return here.length === 0 || processBytes + here.reduce((sum, one) => sum + one, 0) <= memoryBytes
    })
  const weighted = parts.map(({ from, to, devices }) => ({ from, to, devices }))
  const stages = rebalanced(problem, weighted, fits)
  return { stages, ms: busiestMs(problem, stages) }
}

/** The best there is, where the model may be cut anew. */
async function otherCuts(
  plan: Plan,
  { problem, costs, parts: before, placed }: Situation,
  parts: ReplanParts,
  signal: AbortSignal,
): Promise<Candidate | undefined> {
  const { asked } = plan
  const isHere = (await parts.store.read(plan.model.sha256, 0, 1)) !== undefined
  if (costs === undefined || asked === undefined || asked.partitions !== undefined || !isHere)
    return undefined
  const workers = workersFor(specOf(plan), costs, parts, parts.registry.alive())
  const conditions = { speed: await referenceSpeed(workers, parts), planMs: parts.options.planMs }
  const last = Math.max(...plan.stages.map(({ stage }) => stage))
  const wires = plan.stages.filter(({ stage }) => stage < last).map(({ wire = 'f32' }) => wire)
  const spec = settledSpec(specOf(plan), wires, mostExactOf)
  const chosen = await choosePlan(spec, costs, workers, conditions, signal).catch((error: unknown) => {
    if (signal.aborted) throw error
    return undefined
  })
  if (chosen === undefined || !fitsBeside(chosen, { problem, before, placed })) return undefined
  return { stages: [], ms: chosen.predicted.bottleneckMs, chosen }
}

/** Until the plan before has been left, both are loaded. */
function fitsBeside(
  { stages }: ChosenPlan,
  now: { problem: PlanProblem; before: readonly PlannedStage[]; placed: readonly Placed[] },
): boolean {
  return now.problem.devices.every(({ id, memoryBytes }, device) => {
    const old = now.placed.filter((_, i) => now.before[i]?.devices.includes(device))
    const fresh = stages.filter(({ replicas }) => replicas.some(({ worker }) => worker === id))
    if (old.length === 0 || fresh.length === 0) return true
    const all = [...old.map(({ part }) => part.memoryBytes), ...fresh.map(one => one.memoryBytes)]
    return processBytes + all.reduce((sum, one) => sum + Math.max(0, one - processBytes), 0) <= memoryBytes
  })
}

async function loadProposal(
  next: Plan,
  { problem, placed, paces }: Situation,
  { chosen, stages }: Candidate,
  parts: ReplanParts,
  signal: AbortSignal,
): Promise<Plan> {
  if (chosen === undefined) {
    const moved = placed.map(({ part }, i) => ({ part, replicas: replicasOf(problem, stages[i]) }))
    return bringInForce(next, timed(moved, paces), parts, signal)
  }
  const spec = specOf(next)
  try {
    const cut = await cutAt(chosen, spec, parts, signal)
    const plan: Plan = { ...next, cuts: [...chosen.cuts], sampleError: cut.sampleError }
    // Not rehearsed: beside frames that would take long, and nobody goes by it.
    const placed = placedAs(chosen, cut, parts).map(({ part: { rehearse: _, ...part }, replicas }) => {
      return { part, replicas }
    })
    return await bringInForce(plan, placed, parts, signal)
  } finally {
    await holdParts(spec, parts, [])
  }
}

function replicasOf(problem: PlanProblem, stage: PlannedStage | undefined): Placed['replicas'] {
  if (stage === undefined) return []
  const shares = sharesOf(problem, stage)
  return stage.devices.flatMap((device, i) => {
    const worker = problem.devices[device]?.id
    return worker === undefined ? [] : [{ worker, weight: shares[i] ?? 1 }]
  })
}

function predictedOf(problem: PlanProblem, parts: readonly PlannedStage[]): Predicted {
  const used = new Set(parts.flatMap(({ devices }) => devices))
  const unused = problem.devices.flatMap(({ id }, device) => (used.has(device) ? [] : [id]))
  const bottleneckMs = busiestMs(problem, parts)
  return { ...figuresOf(problem, joined(parts)), bottleneckMs, fps: 1_000 / bottleneckMs, unused }
}
