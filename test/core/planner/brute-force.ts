import { bottleneckOf, memoryBytes } from '../../../core/planner/index.js'
import { type PlannedStage, type PlanProblem } from '../../../core/planner/problem.js'

/** What tells plans apart: the least bottleneck, the least latency with that, the fewest devices with both. */
export interface BestValues {
  readonly bottleneckMs: number
  readonly latencyMs: number
  readonly devices: number
}

interface Stage {
  readonly from: number
  readonly to: number
  readonly group: readonly number[]
}

const EQUAL = 1 + 1e-9

/**
 * Goes through every plan of the space as it is defined: contiguous stages from the first block to the last, each on
 * one device, or several where replicas are allowed, no device in two. Nothing when none of them works.
 */
export function bruteForce(problem: PlanProblem): BestValues | undefined {
  const blocks = problem.chain.blocks.length
  const groups = groupsOf(problem)
  const found: BestValues[] = []
  let best = Infinity
  const extend = (stages: readonly Stage[], worst: number, latency: number) => {
    // Only what is slower than a plan known already is left out.
    if (worst > best * EQUAL || worst === Infinity) return
    const last = stages.at(-1)
    const from = last?.to ?? 0
    if (from === blocks) {
      best = Math.min(best, worst)
      found.push({
        bottleneckMs: worst,
        latencyMs: latency,
        devices: stages.flatMap(({ group }) => group).length,
      })
      return
    }
    const taken = stages.flatMap(({ group }) => group)
    for (const group of groups.filter(each => each.every(device => !taken.includes(device)))) {
      const way = hop(problem, last?.group, group, from)
      for (let to = from + 1; to <= blocks; to++) {
        const stage = { from, to, group }
        const run = running(problem, stage)
        const out = to === blocks ? hop(problem, group, undefined, to) : { worst: 0, mean: 0 }
        extend(
          [...stages, stage],
          Math.max(worst, way.worst, run.worst, out.worst),
          latency + way.mean + run.mean + out.mean,
        )
      }
    }
  }
  extend([], 0, 0)
  const fastest = found.filter(({ bottleneckMs }) => bottleneckMs <= best * EQUAL)
  const latencyMs = Math.min(...fastest.map(plan => plan.latencyMs))
  const soonest = fastest.filter(plan => plan.latencyMs <= latencyMs * EQUAL)
  const devices = Math.min(...soonest.map(plan => plan.devices))
  return fastest.length === 0 ? undefined : { bottleneckMs: best, latencyMs, devices }
}

function groupsOf({ devices, replicas }: PlanProblem): number[][] {
  let groups: number[][] = [[]]
  for (const device of devices.keys()) groups = groups.flatMap(group => [group, [...group, device]])
  return groups.filter(({ length }) => (replicas ? length > 0 : length === 1))
}

interface Times {
  /** Of the resource that is busy longest, and of a frame in the mean. */
  readonly worst: number
  readonly mean: number
}

function running(problem: PlanProblem, { from, to, group }: Stage): Times {
  const { chain, devices, pinned } = problem
  const speeds = group.map(device => devices[device]?.speed ?? 0)
  const speed = speeds.reduce((a, b) => a + b)
  let work = (chain.crossings[from]?.receiveMs ?? 0) + (chain.crossings[to]?.sendMs ?? 0)
  for (let block = from; block < to; block++) {
    work += chain.blocks[block]?.computeMs ?? 0
    const pin = pinned?.get(block)
    if (pin !== undefined && (group.length !== 1 || group[0] !== pin))
      return { worst: Infinity, mean: Infinity }
  }
  const memory = memoryOf(problem, from, to)
  if (group.some(device => memory > (devices[device]?.memoryBytes ?? 0)))
    return { worst: Infinity, mean: Infinity }
  // Each takes its share of frames, and its own time for each of them.
  const busy = speeds.map(own => (own / speed) * (work / own))
  return { worst: Math.max(...busy), mean: busy.reduce((a, b) => a + b) }
}

export function memoryOf(
  { chain, processBytes, weightFactor }: PlanProblem,
  from: number,
  to: number,
): number {
  let [weights, activations] = [0, 0]
  for (let block = from; block < to; block++) {
    weights += chain.blocks[block]?.weightBytes ?? 0
    activations = Math.max(activations, chain.blocks[block]?.activationBytes ?? 0)
  }
  return processBytes + weightFactor * weights + activations
}

interface Party {
  readonly index: number
  readonly share: number
  readonly sends: number
  readonly receives: number
}

function partiesOf({ devices, network }: PlanProblem, group: readonly number[] | undefined): Party[] {
  const { dispatcherSendRate: sends, dispatcherReceiveRate: receives } = network
  if (group === undefined) return [{ index: devices.length, share: 1, sends, receives }]
  const sum = group.reduce((total, index) => total + (devices[index]?.speed ?? 0), 0)
  return group.map(index => {
    const { speed = 0, sendRate = 0, receiveRate = 0 } = devices[index] ?? {}
    return { index, share: speed / sum, sends: sendRate, receives: receiveRate }
  })
}

function hop(
  problem: PlanProblem,
  before: readonly number[] | undefined,
  after: readonly number[] | undefined,
  position: number,
): Times {
  const bytes = problem.chain.crossings[position]?.bytes ?? 0
  const [from, to] = [partiesOf(problem, before), partiesOf(problem, after)]
  let [worst, mean] = [0, 0]
  for (const { share, sends } of from) worst = Math.max(worst, (share * bytes) / sends)
  for (const { share, receives } of to) worst = Math.max(worst, (share * bytes) / receives)
  for (const sender of from) {
    for (const receiver of to) {
      const rate = problem.network.rates[sender.index]?.[receiver.index] ?? 0
      const ms = rate === 0 ? Infinity : bytes / rate + problem.network.messageMs
      worst = Math.max(worst, sender.share * receiver.share * ms)
      mean += sender.share * receiver.share * ms
    }
  }
  return { worst, mean }
}

/** Every way to begin `parts` parts, the first with block `first`. */
export function startsFrom(first: number, parts: number, blocks: number): number[][] {
  if (parts === 1) return [[first]]
  const all: number[][] = []
  for (let next = first + 1; next < blocks; next++) {
    for (const rest of startsFrom(next, parts - 1, blocks)) all.push([first, ...rest])
  }
  return all
}

/** How long the slowest resource takes; Infinity where a stage does not fit into the memory of its devices. */
export function fittingMs(problem: PlanProblem, stages: readonly PlannedStage[]): number {
  const fit = stages.every(({ from, to, devices }) =>
    devices.every(index => memoryBytes(problem, from, to) <= (problem.devices[index]?.memoryBytes ?? 0)),
  )
  return fit ? bottleneckOf(problem, stages).ms : Infinity
}
