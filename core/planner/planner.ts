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
  /** Predicted time of the slowest stage or link, in ms: one frame leaves the pipeline in this time. */
  readonly bottleneckMs: number
}

/** What is left out costs nothing. */
export interface PlanCosts {
  /** Time that a worker spends on a byte which it takes in or sends, in ms. */
  readonly msPerByte?: number
  /** Time that a byte takes on the link from one worker to the next, in ms. */
  readonly linkMsPerByte?: number
}

/**
 * Cuts a chain of blocks into exactly `workers` parts for equal workers, so that the slowest part or link is as fast as
 * it can be: exact, by dynamic programming over (parts, blocks), O(workers * blocks^2). Of equally fast plans it takes the one
 * that sends fewest bytes, and of those the one with the earliest cuts.
 * @throws TOO_MANY_PARTITIONS: there are fewer blocks than workers, or fewer than 1 worker
 * Source: DEFER §III divides by hand; this is the linear partition problem with a cost of transfer
 */
export function planEqualWorkers(
  blocks: readonly Block[],
  workers: number,
  costs: PlanCosts = {},
): PartitionPlan {
  if (!Number.isSafeInteger(workers) || workers < 1 || workers > blocks.length) {
    throw new MillraceError(
      'TOO_MANY_PARTITIONS',
      `${blocks.length} blocks cannot make ${workers} partitions`,
    )
  }
  const stageMs = stageCost(blocks, costs)
  const slowerMs: StageMs = (first, last) => Math.max(stageMs(first, last), linkCost(blocks, last, costs))
  const bottleneckMs = leastBottleneck(blocks.length, workers, slowerMs)
  // Bytes are looked at only when the bottleneck is known: the parts of the fastest plan need not be fastest themselves.
  const starts = leanestStarts(blocks, workers, (first, last) => slowerMs(first, last) <= bottleneckMs)
  return planOf(blocks, starts, stageMs, bottleneckMs)
}

/** Cost of blocks [first, last] as one stage. */
type StageMs = (first: number, last: number) => number

function stageCost(blocks: readonly Block[], { msPerByte = 0 }: PlanCosts): StageMs {
  const sums = [0]
  for (const { computeMs } of blocks) sums.push((sums.at(-1) ?? 0) + computeMs)
  return (first, last) => {
    const transferred = (blocks[first - 1]?.outBytes ?? 0) + (blocks[last]?.outBytes ?? 0)
    return (sums[last + 1] ?? 0) - (sums[first] ?? 0) + transferred * msPerByte
  }
}

/** Of what the stage that ends with block `last` sends to the next; its own results go the same way in every plan. */
function linkCost(blocks: readonly Block[], last: number, { linkMsPerByte = 0 }: PlanCosts): number {
  return last === blocks.length - 1 ? 0 : (blocks[last]?.outBytes ?? 0) * linkMsPerByte
}

/** Time of the slowest of `workers` parts of `count` blocks, when it is as fast as it can be. */
function leastBottleneck(count: number, workers: number, stageMs: StageMs): number {
  // For the blocks from `first` on, in as many parts as there were rounds.
  let rest = Array.from({ length: count }, (_, first) => stageMs(first, count - 1))
  for (let parts = 2; parts <= workers; parts++) {
    const before = rest
    rest = before.map((_, first) => {
      let best = Infinity
      for (let last = first; last <= count - parts; last++) {
        best = Math.min(best, Math.max(stageMs(first, last), before[last + 1] ?? Infinity))
      }
      return best
    })
  }
  return rest[0] ?? Infinity
}

interface Choice {
  /** Sent between the parts. */
  readonly bytes: number
  /** Where the part after this one begins; the number of blocks after the last one. */
  readonly next: number
}

/** Where each part begins, so that all parts fit and fewest bytes cross. */
function leanestStarts(
  blocks: readonly Block[],
  workers: number,
  fits: (first: number, last: number) => boolean,
): number[] {
  const end = blocks.length
  const layers: Choice[][] = [
    blocks.map((_, first) => ({ bytes: fits(first, end - 1) ? 0 : Infinity, next: end })),
  ]
  for (let parts = 2; parts <= workers; parts++) {
    const rest = layers[0] ?? []
    layers.unshift(blocks.map((_, first) => leanest(blocks, first, end - parts, rest, fits)))
  }
  const starts: number[] = []
  let start = 0
  for (const layer of layers) {
    starts.push(start)
    start = layer[start]?.next ?? end
  }
  return starts
}

/** The first part, from `first` to `most` at the latest, before the `rest`; the shortest of those that send as little. */
function leanest(
  blocks: readonly Block[],
  first: number,
  most: number,
  rest: readonly Choice[],
  fits: (first: number, last: number) => boolean,
): Choice {
  let best: Choice = { bytes: Infinity, next: blocks.length }
  for (let last = first; last <= most; last++) {
    const bytes = (blocks[last]?.outBytes ?? 0) + (rest[last + 1]?.bytes ?? Infinity)
    if (bytes < best.bytes && fits(first, last)) best = { bytes, next: last + 1 }
  }
  return best
}

function planOf(
  blocks: readonly Block[],
  starts: readonly number[],
  stageMs: StageMs,
  bottleneckMs: number,
): PartitionPlan {
  const stages = starts.map((first, i): StagePlan => {
    const last = (starts[i + 1] ?? blocks.length) - 1
    return {
      from: blocks[first]?.from ?? 0,
      to: blocks[last]?.to ?? 0,
      computeMs: stageMs(first, last),
      outBytes: blocks[last]?.outBytes ?? 0,
    }
  })
  return {
    cuts: stages.slice(1).map(({ from }) => from),
    stages,
    bottleneckMs,
  }
}
