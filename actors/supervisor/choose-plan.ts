import { chainOf, type Costs, type LiveCosts, memoryFactorsOf } from '../../core/costs/index.js'
import { type Predicted, type Spec, type Speed } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import {
  baselines,
  bottleneckOf,
  busiestMs,
  cutInOrder,
  figuresOf,
  joined,
  memoryBytes,
  placedInOrder,
  planReport,
  type PlannedStage,
  type PlanProblem,
  type PlanWorker,
  sharesOf,
  type SolvedPlan,
  workersProblem,
} from '../../core/planner/index.js'
import { type CutWire, Wire, WIRE_ERROR } from '../../core/wire.js'
import { solveInThread } from '../planning/index.js'

/** Where a model is cut, who runs what, and what that should come to. */
export interface ChosenPlan {
  /** Positions, strictly increasing: one fewer than stages. */
  readonly cuts: readonly number[]
  /** For each cut. */
  readonly wires: readonly CutWire[]
  readonly stages: readonly ChosenStage[]
  readonly predicted: Predicted
  /** What it solves, and how in the planner's words. */
  readonly problem: PlanProblem
  readonly planned: readonly PlannedStage[]
}

export interface ChosenStage {
  /** Blocks [from, to). */
  readonly from: number
  readonly to: number
  readonly replicas: readonly { readonly worker: string; readonly weight: number }[]
  /** On the slowest of its workers, for each frame of the pipeline. */
  readonly computeMs: number
  /** Of each of its workers, its process included. */
  readonly memoryBytes: number
}

type Unwired = Omit<ChosenPlan, 'wires'>

export interface PlanConditions {
  /** Of this machine; left out: every worker counts as equally fast. */
  readonly speed: Speed | undefined
  readonly planMs: number
}

const SEED = 0
/** Of sums in another order. */
const ROUNDING = 1e-9
/** A coarser wire must be so many times as fast: it costs accuracy. */
const WORTH_COARSER = 1.01
/** Several workers must be so many times as fast as one: predictions are off by some percent, and others need workers too. */
const WORTH_SEVERAL = 1.15

/**
 * The fastest plan for a model on the workers that are there, unless one worker is nearly as fast; or with the number of partitions that was asked for.
 * @throws PLAN_INFEASIBLE, with what lacks; NO_WORKER: none is there but those excluded; TOO_MANY_PARTITIONS,
 *   GRAPH_CUT_INVALID, STOPPED
 */
export async function choosePlan(
  spec: Spec,
  costs: LiveCosts,
  workers: readonly PlanWorker[],
  conditions: PlanConditions,
  signal: AbortSignal,
): Promise<ChosenPlan> {
  const { wire = 'f32', wireError = WIRE_ERROR } = spec
  if (wire !== 'auto') return planOn(wire, spec, costs, workers, conditions, signal)
  const wires = wireError === 0 ? ['f32' as const] : Wire.options
  const each = { ...conditions, planMs: conditions.planMs / wires.length }
  const bottleneck = ({ predicted }: ChosenPlan) => predicted.bottleneckMs
  let best: ChosenPlan | undefined
  for (const one of wires) {
    const chosen = await planOn(one, spec, costs, workers, each, signal)
    if (best === undefined || bottleneck(chosen) * WORTH_COARSER < bottleneck(best)) best = chosen
  }
  if (best === undefined) throw new MillraceError('INTERNAL', 'there is no wire to choose')
  return asExact(best, spec, costs, workers, conditions.speed)
}

/** With a more exact wire at each cut where that makes nothing slower that counts. */
function asExact(
  chosen: ChosenPlan,
  spec: Spec,
  costs: LiveCosts,
  workers: readonly PlanWorker[],
  speed: Speed | undefined,
): ChosenPlan {
  const { bottleneckMs } = chosen.predicted
  let best = chosen
  for (const cut of chosen.wires.keys()) {
    for (const wire of Wire.options.slice(0, Wire.options.indexOf(best.wires[cut]?.wire ?? 'f32'))) {
      const wires = best.wires.map((one, i) => (i === cut ? { ...one, wire } : one))
      const other = predictAnew({ ...best, wires }, spec, costs, workers, speed)
      if (other.predicted.bottleneckMs > bottleneckMs * (1 + ROUNDING)) continue
      best = { ...other, predicted: { ...chosen.predicted, ...other.predicted } }
      break
    }
  }
  return best
}

async function planOn(
  wire: Wire,
  spec: Spec,
  costs: LiveCosts,
  workers: readonly PlanWorker[],
  { speed, planMs }: PlanConditions,
  signal: AbortSignal,
): Promise<ChosenPlan> {
  const problem = problemOf(spec, costs, workers, speed, wire)
  if (problem.devices.length === 0) {
    const excluded = (spec.exclude ?? []).join(', ')
    throw new MillraceError('NO_WORKER', `no worker is alive but those excluded: ${excluded}`)
  }
  const chosen =
    spec.partitions === undefined
      ? await planFreely(spec, costs, problem, planMs, signal)
      : planInOrder(costs, problem, startsOf(spec.partitions, spec, costs, problem))
  return { ...chosen, wires: wiresOf(chosen, costs, () => wire) }
}

/** What a plan comes to with workers of which more is known now. It stays what it is; what was proved of it is not. */
export function predictAnew(
  chosen: ChosenPlan,
  spec: Spec,
  costs: LiveCosts,
  workers: readonly PlanWorker[],
  speed: Speed | undefined,
): ChosenPlan {
  const wires = new Map(chosen.stages.slice(1).map(({ from }, cut) => [from, chosen.wires[cut]?.wire]))
  const problem = problemOf(spec, costs, workers, speed, block => wires.get(block) ?? 'f32')
  const indices = new Map(problem.devices.map(({ id }, index) => [id, index]))
  const now = (device: number) => indices.get(chosen.problem.devices[device]?.id ?? '') ?? -1
  const planned = chosen.planned.map(stage => ({
    ...stage,
    devices: stage.devices.map(now),
    shares: sharesOf(chosen.problem, stage),
  }))
  const stages = chosen.stages.map(stage => {
    const work = computeOf(problem, stage)
    const sum = stage.replicas.reduce((total, { weight }) => total + weight, 0)
    const each = stage.replicas.map(({ worker, weight }) => {
      const { speed: own = 1 } = problem.devices[indices.get(worker) ?? -1] ?? {}
      return ((weight / sum) * work) / own
    })
    return { ...stage, computeMs: Math.max(...each) }
  })
  return { ...chosen, problem, planned, stages, predicted: predictedOf(problem, planned) }
}

function problemOf(
  { exclude: excluded = [], links, memoryMib, replicas = true }: Spec,
  costs: LiveCosts,
  workers: readonly PlanWorker[],
  speed: Speed | undefined,
  wire: Wire | ((block: number) => Wire),
): PlanProblem {
  const limits = { replicas, excluded, straight: links !== 'broker', memoryMib, speed }
  return workersProblem(chainOf(costs, wire), workers, memoryFactorsOf(costs), limits)
}

/** For each cut its wire, with what others would cost there over the slowest link. */
export function wiresOf(
  { stages, problem }: Pick<ChosenPlan, 'stages' | 'problem'>,
  costs: LiveCosts,
  wireBefore: (block: number) => Wire,
): CutWire[] {
  const perByte = slowestMsPerByte(problem)
  const chains = Wire.options.map(one => [one, chainOf(costs, one)] as const)
  return stages.slice(1).map(({ from }) => {
    const ms = chains.map(([one, { crossings }]): [Wire, number] => {
      const { bytes = 0, sendMs = 0, receiveMs = 0 } = crossings[from] ?? {}
      return [one, sendMs + receiveMs + bytes * perByte]
    })
    return { wire: wireBefore(from), ms: Object.fromEntries(ms) as CutWire['ms'] }
  })
}

function slowestMsPerByte({ devices, network }: PlanProblem): number {
  const between = devices.flatMap((_, from) =>
    devices.flatMap((_, to) => (from === to ? [] : [network.rates[from]?.[to] ?? 0])),
  )
  return between.length === 0 ? 0 : 1 / Math.min(...between)
}

export function chosenStage(problem: PlanProblem, stage: PlannedStage): ChosenStage {
  const { from, to } = stage
  const shares = sharesOf(problem, stage)
  const work = computeOf(problem, stage)
  const replicas = stage.devices.map((device, i) => {
    const { id = '', speed = 1 } = problem.devices[device] ?? {}
    return { worker: id, weight: shares[i] ?? 1, ms: ((shares[i] ?? 1) * work) / speed }
  })
  return {
    ...{ from, to },
    replicas: replicas.map(({ worker, weight }) => ({ worker, weight })),
    computeMs: Math.max(...replicas.map(({ ms }) => ms)),
    memoryBytes: memoryBytes(problem, from, to),
  }
}

function computeOf({ chain }: PlanProblem, { from, to }: Pick<ChosenStage, 'from' | 'to'>): number {
  return chain.blocks.slice(from, to).reduce((sum, { computeMs }) => sum + computeMs, 0)
}

async function planFreely(
  { model }: Spec,
  costs: LiveCosts,
  problem: PlanProblem,
  timeLimitMs: number,
  signal: AbortSignal,
): Promise<Unwired> {
  const fastest = await solveInThread({ problem, seed: SEED, timeLimitMs }, signal)
  const solved = onOneWorker(problem, fastest) ?? fastest
  const { stages, lowerBoundMs, gap, optimal, solveMs } = planReport(model.name, problem, solved, {})
  const chosen = stages.map(({ from, to, devices, computeMs, memoryBytes }, i): ChosenStage => {
    const planned = solved.stages[i]
    const shares = planned === undefined ? [] : sharesOf(problem, planned)
    const replicas = devices.map((worker, replica) => ({ worker, weight: shares[replica] ?? 1 }))
    return { from, to, replicas, computeMs, memoryBytes }
  })
  const proof = { lowerBoundMs, gap, optimal, solveMs }
  return {
    cuts: cutsOf(costs, stages),
    stages: chosen,
    predicted: { ...predictedOf(problem, solved.stages), ...proof },
    problem,
    planned: solved.stages,
  }
}

/** Undefined where it does not fit, or several are worth it. */
function onOneWorker(problem: PlanProblem, fastest: SolvedPlan): SolvedPlan | undefined {
  const stages = baselines.single(problem, () => 0)
  if (stages === undefined) return undefined
  const { ms } = bottleneckOf(problem, stages)
  // As fast, it is what the search found, or one more way to the same.
  if (ms <= fastest.bottleneckMs || ms > WORTH_SEVERAL * fastest.bottleneckMs) return undefined
  return { ...fastest, stages, bottleneckMs: ms, gap: 1 - fastest.lowerBoundMs / ms, optimal: false }
}

/** The block that each part begins with: where it was asked for, or so that the slowest is as fast as it can be. */
function startsOf(
  partitions: number,
  { cuts }: Pick<Spec, 'cuts'>,
  { blocks }: Costs,
  problem: PlanProblem,
): number[] {
  if (cuts === undefined) return cutInOrder(problem, partitions)
  const positions = blocks.slice(1).map(({ from }) => from)
  const wrong = cuts.find(cut => !positions.includes(cut))
  if (wrong === undefined) return [0, ...cuts.map(cut => positions.indexOf(cut) + 1)]
  const there = positions.join(', ')
  throw new MillraceError('GRAPH_CUT_INVALID', `no block begins at position ${wrong}; they begin at ${there}`)
}

/** @param starts  the block that each part begins with */
function planInOrder(costs: LiveCosts, problem: PlanProblem, starts: readonly number[]): Unwired {
  const { chain } = problem
  const { hosts, stages } = placedInOrder(problem, starts)
  const chosen = starts.map((from, part) => {
    const to = starts[part + 1] ?? chain.blocks.length
    return chosenStage(problem, { from, to, devices: [hosts[part] ?? 0] })
  })
  const parts = starts.map(from => ({ from }))
  const predicted = predictedOf(problem, stages)
  return { cuts: cutsOf(costs, parts), stages: chosen, predicted, problem, planned: stages }
}

/** @param stages  with the blocks that they begin with */
export function cutsOf({ blocks }: Costs, stages: readonly { readonly from: number }[]): number[] {
  return stages.slice(1).map(({ from }) => blocks[from]?.from ?? 0)
}

/** @param parts  of which a device may have several that need not be neighbours */
export function predictedOf(problem: PlanProblem, parts: readonly PlannedStage[]): Predicted {
  const used = new Set(parts.flatMap(({ devices }) => devices))
  const unused = problem.devices.flatMap(({ id }, device) => (used.has(device) ? [] : [id]))
  const bottleneckMs = busiestMs(problem, parts)
  return { ...figuresOf(problem, joined(parts)), bottleneckMs, fps: 1_000 / bottleneckMs, unused }
}
