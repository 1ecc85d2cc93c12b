import { type Plan } from '../../core/control/index.js'
import {
  chainOf,
  type Costs,
  type LiveCosts,
  memoryFactorsOf,
  quantile,
  timeOf,
  TYPICAL_TRANSPORT,
} from '../../core/costs/index.js'
import { type Chain, type PlannedStage, type PlanProblem, workersProblem } from '../../core/planner/index.js'
import { mostExactOf, type Wire } from '../../core/wire.js'
import { type ChosenPlan } from './choose-plan.js'
import { type DeploymentParts } from './deployment-parts.js'
import { type MendParts, placedOf } from './mending.js'
import { keptCosts, TYPICAL_MEMORY } from './model-costs.js'
import { type Paces } from './paces.js'
import { type Placed } from './placement.js'
import { referenceSpeed, workersFor } from './plan-workers.js'
import { specOf } from './versions.js'

export type ReplanParts = MendParts & DeploymentParts

/** Where the parts of a plan are, in the words of the planner. */
export interface Situation {
  readonly problem: PlanProblem
  readonly placed: readonly Placed[]
  readonly parts: readonly PlannedStage[]
  readonly paces: Paces
  /** Where the model's costs are known, in blocks that it is cut between. */
  readonly costs: LiveCosts | undefined
  /** What crosses before each block, where a part of the plan begins there or may. */
  readonly wireBefore: (block: number) => Wire
}

/** Of a process that runs nothing: all that run on a worker are in one. */
export const { processBytes } = TYPICAL_MEMORY

/** @returns undefined: a worker is gone, which is a matter of mending */
export async function situationOf(plan: Plan, parts: ReplanParts): Promise<Situation | undefined> {
  const paces = parts.paces()
  const placed = placedOf(plan, parts.assignments.of(plan.pipeline, plan.epoch), paces)
  const kept = await keptCosts(plan.model, parts)
  const starts = kept === undefined ? undefined : startsOf(plan, kept)
  const costs =
    starts === undefined || kept === undefined
      ? undefined
      : { ...kept, packed: packedIn(plan, starts, parts) }
  const views = parts.registry.alive()
  const { links, asked: { exclude: excluded = [], memoryMib, replicas = true } = {} } = plan
  const memory = costs?.memory ?? TYPICAL_MEMORY
  const workers = workersFor(specOf(plan), { memory }, parts, views)
  const speed = costs === undefined ? paces.referenceSpeed : await referenceSpeed(workers, parts)
  const limits = { replicas, excluded, straight: links !== 'broker', memoryMib, speed }
  const wireBefore = wiresIn(plan, starts ?? [])
  const chain = costs === undefined ? chainOfParts(placed) : chainOf(costs, wireBefore)
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
  if (stages.length < placed.length) return undefined
  return { problem, placed, parts: stages, paces, costs, wireBefore }
}

/** What LZ4 leaves of messages before the blocks that parts begin with, as frames show it: 1 where nothing is compressed. */
function packedIn(
  { pipeline, epoch, stages }: Plan,
  starts: readonly number[],
  { registry }: ReplanParts,
): ReadonlyMap<number, number> {
  const actors = [...new Set(stages.map(({ worker }) => worker))]
    .flatMap(worker => registry.get(worker)?.beat.actors ?? [])
    .filter(one => one.pipeline === pipeline && one.epoch === epoch)
  const known = starts.slice(1).flatMap((block, before): [number, number][] => {
    const packed = actors.filter(({ stage }) => stage === before).map(one => one.packed ?? 1)
    return packed.length === 0 ? [] : [[block, quantile(packed, 0.5)]]
  })
  return new Map(known)
}

/** The block that each part begins with; undefined where the costs are of other blocks. */
function startsOf({ cuts, stages }: Plan, { blocks }: Costs): number[] | undefined {
  if (cuts === undefined || cuts.length !== Math.max(...stages.map(({ stage }) => stage))) return undefined
  const starts = [0, ...cuts.map(cut => blocks.findIndex(({ from }) => from === cut))]
  return starts.includes(-1) ? undefined : starts
}

/** What crosses before each block that a part of the plan begins with; elsewhere what the most exact of these cuts have. */
function wiresIn({ stages }: Plan, starts: readonly number[]): (block: number) => Wire {
  const cuts = starts.slice(1).map((block, i) => {
    return { block, wire: stages.find(one => one.stage === i)?.wire ?? 'f32' }
  })
  const wires = new Map(cuts.map(({ block, wire }) => [block, wire]))
  const others = mostExactOf(cuts.map(({ wire }) => wire))
  return block => wires.get(block) ?? others
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

/** Until the plan before has been left, both are loaded. */
export function fitsBeside(
  { stages }: Pick<ChosenPlan, 'stages'>,
  { problem, parts, placed }: Situation,
): boolean {
  return problem.devices.every(({ id, memoryBytes }, device) => {
    const old = placed.filter((_, i) => parts[i]?.devices.includes(device))
    const fresh = stages.filter(({ replicas }) => replicas.some(({ worker }) => worker === id))
    if (old.length === 0 || fresh.length === 0) return true
    const all = [...old.map(({ part }) => part.memoryBytes), ...fresh.map(one => one.memoryBytes)]
    return processBytes + all.reduce((sum, one) => sum + Math.max(0, one - processBytes), 0) <= memoryBytes
  })
}
