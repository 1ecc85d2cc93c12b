import { type Plan, type PlanReason, type Predicted } from '../../core/control/index.js'
import {
  busiestMs,
  type PlannedStage,
  type PlanProblem,
  rebalanced,
  sharesOf,
} from '../../core/planner/index.js'
import { mostExactOf } from '../../core/wire.js'
import { choosePlan, type ChosenPlan, predictedOf } from './choose-plan.js'
import { cutAt, holdParts, partsOf, placedAs, settledSpec } from './deployment.js'
import { evenedParts } from './evened-parts.js'
import { bringInForce, timed } from './mending.js'
import { type Placed } from './placement.js'
import { referenceSpeed, workersFor } from './plan-workers.js'
import { fitsBeside, processBytes, type ReplanParts, type Situation, situationOf } from './situation.js'
import { specOf } from './versions.js'

/** A plan that is better than the one in force. */
export interface Proposal {
  readonly predicted: Predicted
  /** How many times as many frames a second as now, as predicted. */
  readonly gain: number
  /** Has workers load it beside what they run. @returns the plan, which nobody knows yet */
  load(signal: AbortSignal): Promise<Plan>
}

interface Candidate {
  readonly stages: readonly PlannedStage[]
  /** How long the slowest resource takes for a frame; and how long now, as far as it is not as planned. */
  readonly ms: number
  readonly nowMs?: number
  /** Undefined: the parts stay what they are. */
  readonly chosen?: ChosenPlan
}

/** What frames have shown is surer than what is expected of workers and links: so much of `replanGain` is enough. */
const SURE = 1 / 3

/**
 * Looks for a better plan on the workers that are there. Where the number of partitions was asked for, or this supervisor
 * does not have the model, cuts stay as they are; but where frames have shown that parts are uneven, and no cuts were asked
 * for, borders between parts move, and nothing else does.
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
  const candidates =
    reason === 'parts uneven'
      ? [await otherBorders(plan, now, parts)]
      : [movedParts(now), await otherCuts(plan, now, parts, signal)]
  const [best] = candidates.filter(one => one !== undefined).sort((a, b) => a.ms - b.ms)
  if (best === undefined) return undefined
  const { nowMs = busiestMs(now.problem, now.parts) } = best
  const gain = nowMs / best.ms
  const { replanGain } = parts.options
  if (!(gain >= 1 + (reason === 'parts uneven' ? SURE * replanGain : replanGain))) return undefined
  const predicted = best.chosen?.predicted ?? predictedOf(now.problem, best.stages)
  const next: Plan = { ...plan, predicted, reason, handover: 'drain' }
  const load = (signal: AbortSignal) => loadProposal(next, now, best, parts, signal)
  return { predicted, gain, load }
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

/** The same parts on the same workers, made even by what frames have shown. */
async function otherBorders(plan: Plan, now: Situation, parts: ReplanParts): Promise<Candidate | undefined> {
  const loads = parts.registry.loads.of(plan)
  if (loads === undefined || plan.asked?.cuts !== undefined || !(await isHere(plan, parts))) return undefined
  const evened = evenedParts(now, loads)
  if (evened === undefined || !fitsBeside(evened.chosen, now)) return undefined
  return { stages: [], ms: evened.chosen.predicted.bottleneckMs, ...evened }
}

/** Whether a model may be cut here. */
async function isHere({ model }: Plan, { store }: ReplanParts): Promise<boolean> {
  const here = await Promise.all(partsOf(model).map(({ sha256 }) => store.read(sha256, 0, 1)))
  return !here.includes(undefined)
}

/** The best there is, where the model may be cut anew. */
async function otherCuts(
  plan: Plan,
  now: Situation,
  parts: ReplanParts,
  signal: AbortSignal,
): Promise<Candidate | undefined> {
  const { asked } = plan
  const { costs } = now
  if (costs === undefined || asked === undefined || asked.partitions !== undefined) return undefined
  if (!(await isHere(plan, parts))) return undefined
  const workers = workersFor(specOf(plan), costs, parts, parts.registry.alive())
  const conditions = { speed: await referenceSpeed(workers, parts), planMs: parts.options.planMs }
  const last = Math.max(...plan.stages.map(({ stage }) => stage))
  const wires = plan.stages.filter(({ stage }) => stage < last).map(({ wire = 'f32' }) => wire)
  const spec = settledSpec(specOf(plan), wires, mostExactOf)
  const chosen = await choosePlan(spec, costs, workers, conditions, signal).catch((error: unknown) => {
    if (signal.aborted) throw error
    return undefined
  })
  if (chosen === undefined || !fitsBeside(chosen, now)) return undefined
  return { stages: [], ms: chosen.predicted.bottleneckMs, chosen }
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
