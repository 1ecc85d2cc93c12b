import { bottleneckOf, latencyMs, memoryBytes } from '../objective.js'
import { type PlannedStage, type PlanProblem } from '../problem.js'
import { dispatcherOf, type Ends, hopMs, type Links, linksOf } from './links.js'

/** One device, or replicas that share a stage. */
export interface Host extends Ends {
  /** Of all its members together. */
  readonly speed: number
  /** Of the member that has least. */
  readonly memoryBytes: number
  /** Its device when it has only one, else -1. */
  readonly only: number
}

export interface HostedStage {
  readonly from: number
  readonly to: number
  readonly host: Host
}

/**
 * A problem made ready for a search: devices in the order of their ids, so that no answer depends on the order in which
 * they were listed, and tables instead of sums. Positions are 0 to `end`; position p is before block p.
 */
export interface Instance {
  readonly problem: PlanProblem
  /** Where each device stood in the list that was given. */
  readonly listed: readonly number[]
  readonly end: number
  readonly links: Links
  readonly dispatcher: Ends
  /** Devices alone. */
  readonly singles: readonly Host[]
  /** Bytes that cross at a position. */
  readonly bytes: Float64Array
  /** Compute of all blocks after a position, without codecs. */
  readonly computeAfter: Float64Array
  /** Tables over `from * (end + 1) + to`: compute and codecs of a stage, its memory, and the device it is pinned to. */
  readonly work: Float64Array
  readonly memory: Float64Array
  readonly pins: Int32Array
}

/** In `pins`: any device will do, or none will. */
export const UNPINNED = -1
export const TORN = -2

export function instanceOf(given: PlanProblem): Instance {
  const listed = [...given.devices.keys()].sort((a, b) => (idOf(given, a) < idOf(given, b) ? -1 : 1))
  const problem = inOrder(given, listed)
  const { blocks, crossings } = problem.chain
  const end = blocks.length
  const computeAfter = new Float64Array(end + 1)
  for (let p = end - 1; p >= 0; p--) {
    computeAfter[p] = (computeAfter[p + 1] as number) + (blocks[p]?.computeMs ?? 0)
  }
  const links = linksOf(problem)
  return {
    problem,
    listed,
    end,
    links,
    dispatcher: dispatcherOf(links),
    singles: problem.devices.map((_, device) => hostOf(problem, [device])),
    bytes: Float64Array.from(crossings, crossing => crossing.bytes),
    computeAfter,
    ...stageTables(problem),
  }
}

export function hostOf({ devices }: PlanProblem, members: readonly number[]): Host {
  const speeds = members.map(member => devices[member]?.speed ?? 0)
  const speed = speeds.reduce((sum, each) => sum + each, 0)
  return {
    members,
    shares: speeds.map(each => each / speed),
    speed,
    memoryBytes: Math.min(...members.map(member => devices[member]?.memoryBytes ?? 0)),
    only: members.length === 1 ? (members[0] as number) : -1,
  }
}

/** Whether a host may run blocks [from, to) at all. */
export function fits({ end, memory, pins }: Instance, host: Host, from: number, to: number): boolean {
  const index = from * (end + 1) + to
  const pin = pins[index] as number
  return (
    (memory[index] as number) <= host.memoryBytes && (pin === UNPINNED || (pin !== TORN && pin === host.only))
  )
}

/** How long each member of a host is busy with an average frame; Infinity where the stage does not fit. */
export function stageMs(instance: Instance, host: Host, from: number, to: number): number {
  if (!fits(instance, host, from, to)) return Infinity
  return (instance.work[from * (instance.end + 1) + to] as number) / host.speed
}

/** How long the hop at a position takes the slowest of its resources; left out: the dispatcher. */
export function hopAt(
  instance: Instance,
  from: Ends | undefined,
  to: Ends | undefined,
  position: number,
): number {
  const { links, dispatcher, bytes } = instance
  return hopMs(links, from ?? dispatcher, to ?? dispatcher, bytes[position] as number)
}

/** A plan with what it is judged by. */
export interface RatedPlan {
  /** Devices as the instance counts them. */
  readonly stages: readonly PlannedStage[]
  readonly bottleneckMs: number
  readonly latencyMs: number
}

export function rated(instance: Instance, hosted: readonly HostedStage[]): RatedPlan {
  const stages = hosted.map(({ from, to, host }) => ({
    from,
    to,
    devices: [...host.members].sort((a, b) => a - b),
  }))
  return ratedPlan(instance, stages)
}

export function ratedPlan({ problem }: Instance, stages: readonly PlannedStage[]): RatedPlan {
  return { stages, bottleneckMs: bottleneckOf(problem, stages).ms, latencyMs: latencyMs(problem, stages) }
}

/** Times that differ by less count as equal. */
export const TOLERANCE = 1e-9

/** Less than 0 where `a` is better: by its bottleneck, then latency, then number of devices, then cuts and ids. */
export function comparePlans(a: RatedPlan, b: RatedPlan): number {
  return (
    compareMs(a.bottleneckMs, b.bottleneckMs) ||
    compareMs(a.latencyMs, b.latencyMs) ||
    devicesIn(a) - devicesIn(b) ||
    compareLists(keyOf(a), keyOf(b))
  )
}

function compareMs(a: number, b: number): number {
  return a === b || Math.abs(a - b) <= TOLERANCE * Math.max(a, b) ? 0 : a - b
}

function devicesIn({ stages }: RatedPlan): number {
  return stages.reduce((sum, { devices }) => sum + devices.length, 0)
}

function keyOf({ stages }: RatedPlan): number[] {
  return stages.flatMap(({ to, devices }) => [to, ...devices])
}

function compareLists(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i])
  return at === -1 ? a.length - b.length : (a[at] as number) - (b[at] ?? -1)
}

function idOf({ devices }: PlanProblem, index: number): string {
  return devices[index]?.id ?? ''
}

function inOrder(given: PlanProblem, listed: readonly number[]): PlanProblem {
  const { devices, network, pinned } = given
  const indices = [...listed, devices.length]
  const rates = indices.map(from => indices.map(to => network.rates[from]?.[to] ?? 0))
  const moved = new Map([...(pinned ?? [])].map(([block, device]) => [block, listed.indexOf(device)]))
  return {
    ...given,
    devices: listed.flatMap(index => devices[index] ?? []),
    network: { ...network, rates },
    pinned: moved,
  }
}

function stageTables(problem: PlanProblem): Pick<Instance, 'work' | 'memory' | 'pins'> {
  const { blocks, crossings } = problem.chain
  const width = blocks.length + 1
  const work = new Float64Array(width * width)
  const memory = new Float64Array(width * width)
  const pins = new Int32Array(width * width)
  for (let from = 0; from < blocks.length; from++) {
    let compute = crossings[from]?.receiveMs ?? 0
    let pin = UNPINNED
    for (let to = from + 1; to < width; to++) {
      compute += blocks[to - 1]?.computeMs ?? 0
      pin = joined(pin, problem.pinned?.get(to - 1) ?? UNPINNED)
      work[from * width + to] = compute + (crossings[to]?.sendMs ?? 0)
      memory[from * width + to] = memoryBytes(problem, from, to)
      pins[from * width + to] = pin
    }
  }
  return { work, memory, pins }
}

function joined(a: number, b: number): number {
  if (b === UNPINNED || a === b) return a
  return a === UNPINNED ? b : TORN
}
