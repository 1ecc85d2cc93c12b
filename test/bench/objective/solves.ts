import { chainOf, type Costs, memoryFactorsOf } from '../../../core/costs/index.js'
import { type Chain, clusterProblem, type PlanProblem } from '../../../core/planner/index.js'
import { processorMs, solve } from '../planner/solver.js'
import { unequalCluster } from './unequal-cluster.js'

/** Of one problem with all cuts; and what plans have to do without. */
export interface Solve {
  /** By the clock, and by the processor. */
  readonly seconds: number
  readonly processorSeconds: number
  readonly bottleneckMs: number
  readonly gap: number
  readonly stages: number
  /** The bottleneck of the best plan that cuts only where a single tensor crosses; undefined: there is none. */
  readonly singleCutsMs: number | undefined
}

/**
 * @returns undefined where the model does not fit the cluster
 */
export function solveOn(
  costs: Costs,
  devices: number,
  seed: number,
  replicas: boolean,
  limitMs: number,
): Solve | undefined {
  const cluster = unequalCluster(devices, seed)
  const worker = { ...memoryFactorsOf(costs), messageMs: cluster.rttMs / 2 }
  const problem = clusterProblem(chainOf(costs), cluster, worker, { replicas })
  const [started, used] = [performance.now(), processorMs()]
  const plan = solve(problem, seed, limitMs)
  const seconds = (performance.now() - started) / 1000
  const processorSeconds = (processorMs() - used) / 1000
  if (plan === undefined) return undefined
  return {
    seconds,
    processorSeconds,
    bottleneckMs: plan.bottleneckMs,
    gap: plan.gap,
    stages: plan.stages.length,
    singleCutsMs: singleCutsMs(problem, plan.bottleneckMs, seed, limitMs),
  }
}

function singleCutsMs(
  problem: PlanProblem,
  bottleneckMs: number,
  seed: number,
  limitMs: number,
): number | undefined {
  const chain = singleCuts(problem.chain)
  if (chain.blocks.length === problem.chain.blocks.length) return bottleneckMs
  return solve({ ...problem, chain }, seed, limitMs)?.bottleneckMs
}

/** The chain without the positions that several tensors cross. */
export function singleCuts({ blocks, crossings }: Chain): Chain {
  const cuts = [...crossings.keys()].filter(
    position => position === 0 || position === blocks.length || crossings[position]?.tensors === 1,
  )
  return {
    crossings: cuts.flatMap(position => crossings[position] ?? []),
    blocks: cuts.slice(1).map((to, i) => {
      const joined = blocks.slice(cuts[i], to)
      return {
        computeMs: joined.reduce((sum, block) => sum + block.computeMs, 0),
        weightBytes: joined.reduce((sum, block) => sum + block.weightBytes, 0),
        activationBytes: joined.reduce((most, block) => Math.max(most, block.activationBytes), 0),
      }
    }),
  }
}
