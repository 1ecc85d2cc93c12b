import { type Activation, activationKeyOf, type Spec, type Speed } from '../../core/control/index.js'
import { type Costs, partRunMs } from '../../core/costs/index.js'
import { type PlanWorker } from '../../core/planner/index.js'
import { type ChosenPlan, predictAnew } from './choose-plan.js'
import { type WorkerRegistry } from './registry.js'

/** A run that is shorter says more about the moment than about its worker, in ms. */
const TELLING_MS = 2

/** A plan that is so many times as fast as one that is loaded is loaded in its place. */
const WORTH_LOADING = 1.05

/** A plan that was loaded, by worker. */
export interface Rehearsed {
  readonly chosen: ChosenPlan
  readonly activations: ReadonlyMap<string, readonly Activation[]>
}

/** What a plan was chosen by. */
interface Known {
  readonly spec: Spec
  readonly costs: Costs
  readonly workers: readonly PlanWorker[]
  readonly speed: Speed | undefined
  readonly choose: (workers: readonly PlanWorker[]) => Promise<ChosenPlan>
}

interface Judgement {
  /** What was loaded, with what it comes to as it was rehearsed. */
  readonly chosen: ChosenPlan
  readonly workers: readonly PlanWorker[]
  /** A plan that is worth loading instead. */
  readonly better?: ChosenPlan
}

/** What is known of a loaded plan now that its workers have rehearsed it, and whether another would be better. */
export async function judge(
  loaded: Rehearsed,
  { spec, costs, workers, speed, choose }: Known,
  registry: WorkerRegistry,
): Promise<Judgement> {
  const { chosen } = loaded
  const slowdowns = slowdownsOf(loaded, costs, registry)
  if (slowdowns.size === 0) return { chosen, workers }
  const slowed = slowedDown(workers, slowdowns)
  const shown = predictAnew(chosen, spec, costs, slowed, speed)
  if (spec.cuts !== undefined) return { chosen: shown, workers: slowed }
  const best = await choose(slowed)
  // Where the number of parts was asked for, nothing is proved of them.
  const proof = spec.partitions === undefined ? proofOf(shown, best) : {}
  const proved = { ...shown, predicted: { ...shown.predicted, ...proof } }
  const worth = best.predicted.bottleneckMs * WORTH_LOADING < shown.predicted.bottleneckMs
  return { chosen: proved, workers: slowed, ...(worth ? { better: best } : {}) }
}

/** What the search for a better plan proves of this one. */
function proofOf({ predicted: { bottleneckMs } }: ChosenPlan, { predicted: best }: ChosenPlan) {
  const { lowerBoundMs = 0, solveMs, optimal = false } = best
  const asGood = bottleneckMs <= best.bottleneckMs * (1 + 1e-9)
  return {
    lowerBoundMs: Math.min(lowerBoundMs, bottleneckMs),
    gap: Math.max(0, 1 - lowerBoundMs / bottleneckMs),
    optimal: optimal && asGood,
    ...(solveMs === undefined ? {} : { solveMs }),
  }
}

/**
 * How many times as long as planned the models of each worker took when they were rehearsed, by the worker's id. Speeds are
 * those of two small works, measured by each worker for itself; here all of them run what they are to run, at about the
 * same time. Workers whose runs are too short to tell are left out.
 */
function slowdownsOf(
  { chosen: { stages, problem, wires }, activations }: Rehearsed,
  costs: Costs,
  registry: WorkerRegistry,
): ReadonlyMap<string, number> {
  const speeds = new Map(problem.devices.map(({ id, speed }) => [id, speed]))
  const all = [...activations].flatMap(([worker, list]): [string, number][] => {
    const runs = list.flatMap(activation => {
      const runMs = runMsOf(registry, worker, activation)
      const stage = stages[activation.stage]
      const [before, after] = [wires[activation.stage - 1]?.wire, wires[activation.stage]?.wire]
      return runMs === undefined || stage === undefined
        ? []
        : [{ runMs, planned: partRunMs(costs, stage, before, after) }]
    })
    const [measured, planned] = [sum(runs.map(({ runMs }) => runMs)), sum(runs.map(run => run.planned))]
    const plannedHere = planned / (speeds.get(worker) ?? 1)
    return Math.min(measured, plannedHere) < TELLING_MS ? [] : [[worker, measured / plannedHere]]
  })
  return new Map(all)
}

/** Of workers that showed nothing it is taken that they are as much slower as the others are, in the middle. */
function slowedDown(workers: readonly PlanWorker[], slowdowns: ReadonlyMap<string, number>): PlanWorker[] {
  const sorted = [...slowdowns.values()].sort((a, b) => a - b)
  const usual = sorted[sorted.length >> 1] ?? 1
  return workers.map(worker => {
    const more = slowdowns.get(worker.birth.worker) ?? usual
    return { ...worker, slowdown: (worker.slowdown ?? 1) * more }
  })
}

function runMsOf(registry: WorkerRegistry, worker: string, activation: Activation): number | undefined {
  const key = activationKeyOf(activation)
  return registry.get(worker)?.actual?.activations.find(one => activationKeyOf(one) === key)?.runMs
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
