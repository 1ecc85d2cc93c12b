import { MillraceError } from '../errors.js'

/** The smallest piece of a model that a plan moves around: what lies between two neighbouring cut positions. */
export interface Block {
  /** Nodes [from, to) in topological order. */
  readonly from: number
  readonly to: number
  /** Measured time of one run, in ms. */
  readonly computeMs: number
  /** Bytes of the tensors that cross its end, for one frame. */
  readonly outBytes: number
  readonly weightBytes: number
}

export interface StagePlan {
  readonly from: number
  readonly to: number
  /** Predicted, in ms. */
  readonly computeMs: number
  readonly outBytes: number
}

export interface PartitionPlan {
  /** Positions, strictly increasing: one fewer than stages. */
  readonly cuts: readonly number[]
  readonly stages: readonly StagePlan[]
  /** Predicted time of the slowest stage, in ms: one frame leaves the pipeline in this time. */
  readonly bottleneckMs: number
}

export interface PlanCosts {
  /** Time that a worker spends on a byte which it takes in or sends, in ms. */
  readonly msPerByte: number
}

interface Choice {
  readonly bottleneckMs: number
  readonly bytes: number
  /** Where the last part begins. */
  readonly start: number
}

/**
 * Cuts a chain of blocks into exactly `workers` parts for equal workers, so that the slowest part is as fast as it can
 * be: exact, by dynamic programming over (parts, blocks), O(workers * blocks^2). Of equally fast plans it takes the one
 * that sends fewest bytes, and of those the one with the earliest cuts.
 * @throws TOO_MANY_PARTITIONS: there are fewer blocks than workers
 * Source: DEFER §III divides by hand; this is the linear partition problem with a cost of transfer
 */
export function planEqualWorkers(
  blocks: readonly Block[],
  workers: number,
  costs: PlanCosts = { msPerByte: 0 },
): PartitionPlan {
  if (!Number.isSafeInteger(workers) || workers < 1 || workers > blocks.length) {
    throw new MillraceError(
      'TOO_MANY_PARTITIONS',
      `${blocks.length} blocks cannot make ${workers} partitions`,
    )
  }
  const stageMs = stageCost(blocks, costs)
  const layers: (Choice | undefined)[][] = [
    blocks.map((_, last) => ({ bottleneckMs: stageMs(0, last), bytes: 0, start: 0 })),
  ]
  for (let parts = 1; parts < workers; parts++) {
    const before = layers[parts - 1] ?? []
    layers.push(
      blocks.map((_, last) => (last < parts ? undefined : bestChoice(blocks, before, stageMs, parts, last))),
    )
  }
  return planOf(blocks, layers, stageMs)
}

type StageMs = (first: number, last: number) => number

/** Cost of blocks [first, last] as one stage. */
function stageCost(blocks: readonly Block[], { msPerByte }: PlanCosts): StageMs {
  const sums = [0]
  for (const { computeMs } of blocks) sums.push((sums.at(-1) ?? 0) + computeMs)
  return (first, last) => {
    const transferred = (blocks[first - 1]?.outBytes ?? 0) + (blocks[last]?.outBytes ?? 0)
    return (sums[last + 1] ?? 0) - (sums[first] ?? 0) + transferred * msPerByte
  }
}

function bestChoice(
  blocks: readonly Block[],
  before: readonly (Choice | undefined)[],
  stageMs: StageMs,
  parts: number,
  last: number,
): Choice | undefined {
  let best: Choice | undefined
  for (let start = parts; start <= last; start++) {
    const head = before[start - 1]
    if (head === undefined) continue
    const bottleneckMs = Math.max(head.bottleneckMs, stageMs(start, last))
    const bytes = head.bytes + (blocks[start - 1]?.outBytes ?? 0)
    const better =
      best === undefined ||
      bottleneckMs < best.bottleneckMs ||
      (bottleneckMs === best.bottleneckMs && bytes < best.bytes)
    if (better) best = { bottleneckMs, bytes, start }
  }
  return best
}

function planOf(
  blocks: readonly Block[],
  layers: readonly (readonly (Choice | undefined)[])[],
  stageMs: StageMs,
): PartitionPlan {
  const stages: StagePlan[] = []
  let bottleneckMs = 0
  let last = blocks.length - 1
  for (const layer of [...layers].reverse()) {
    const start = layer[last]?.start ?? 0
    const computeMs = stageMs(start, last)
    bottleneckMs = Math.max(bottleneckMs, computeMs)
    const [from, to] = [blocks[start]?.from ?? 0, blocks[last]?.to ?? 0]
    stages.unshift({ from, to, computeMs, outBytes: blocks[last]?.outBytes ?? 0 })
    last = start - 1
  }
  return { cuts: stages.slice(1).map(({ from }) => from), stages, bottleneckMs }
}
