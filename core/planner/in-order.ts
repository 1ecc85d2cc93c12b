import { MillraceError } from '../errors.js'
import { evenCuts, type PartMs } from './even-cuts.js'
import { hopMs } from './hop.js'
import { memoryBytes, workMs } from './objective.js'
import { type PlannedStage, type PlanProblem } from './problem.js'

/** A number of parts that was asked for, on devices in their order. */
export interface OrderedParts {
  /** The device of each part. */
  readonly hosts: readonly number[]
  /** The same with neighbours on one device as one stage, which they are for every resource. */
  readonly stages: readonly PlannedStage[]
}

/**
 * Cuts a model into so many parts for devices in their order, so that the slowest resource is as fast as it can be. Parts
 * that share a device are cut as if each had its part of it.
 * @returns the block that each part begins with, for `placedInOrder`; where no cuts fit into memory, as if there were enough
 * @throws TOO_MANY_PARTITIONS
 */
export function cutInOrder(problem: PlanProblem, parts: number): number[] {
  const end = problem.chain.blocks.length
  const partMs = partMsOf(problem, evenly(parts, problem.devices.length))
  const fitting: PartMs = (part, first, last) => {
    const { ms, fits } = partMs(part, first, last)
    return fits ? ms : Infinity
  }
  const starts = evenCuts(problem.chain, parts, fitting)
  const fit = starts.every((first, part) => fitting(part, first, (starts[part + 1] ?? end) - 1) < Infinity)
  return fit ? starts : evenCuts(problem.chain, parts, (...of) => partMs(...of).ms)
}

/** What each part that a model may have takes: the blocks [first, last] by both indices. */
export function partsOf(problem: PlanProblem) {
  const { blocks } = problem.chain
  return blocks.map((_, first) =>
    blocks.map((_, last) => {
      const [from, to] = [first, last + 1]
      if (to <= from) return { work: 0, bytes: 0 }
      return { work: workMs(problem, { from, to, devices: [] }), bytes: memoryBytes(problem, from, to) }
    }),
  )
}

/** @param hosts  the device of each part */
function partMsOf(problem: PlanProblem, hosts: readonly number[]) {
  const { chain, devices } = problem
  const about = partsOf(problem)
  const arrivingMs = (bytes: number, from: number | undefined, to: number) => {
    if (from === to) return 0
    const before = from === undefined ? undefined : [{ device: from, share: 1 }]
    return hopMs(problem, bytes, before, [{ device: to, share: 1 }])
  }
  const guests = hosts.map(host => hosts.filter(other => other === host).length)
  return (part: number, first: number, last: number) => {
    const host = hosts[part] ?? 0
    const { speed = 0, memoryBytes = 0 } = devices[host] ?? {}
    const { work = 0, bytes = 0 } = about[first]?.[last] ?? {}
    const arriving = arrivingMs(chain.crossings[first]?.bytes ?? 0, hosts[part - 1], host)
    return { ms: Math.max(arriving, (work * (guests[part] ?? 1)) / speed), fits: bytes <= memoryBytes }
  }
}

/**
 * Spreads parts over devices in their order, as evenly as memory allows; neighbours share a device where there are more
 * parts than devices that they fit on.
 * @param starts  the block that each part begins with
 * @throws PLAN_INFEASIBLE: they do not fit in this order
 */
export function placedInOrder(problem: PlanProblem, starts: readonly number[]): OrderedParts {
  const even = evenly(starts.length, problem.devices.length)
  const stages = stagesOf(problem, starts, even)
  const fit = stages.every(({ from, to, devices: [device = 0] }) => fits(problem, from, to, device))
  if (fit) return { hosts: even, stages }
  const hosts = leastCrowded(problem, starts)
  if (hosts === undefined) throw infeasible(problem, starts)
  return { hosts, stages: stagesOf(problem, starts, hosts) }
}

function evenly(parts: number, devices: number): number[] {
  const used = Math.min(devices, parts)
  return Array.from({ length: parts }, (_, part) => Math.floor((part * used) / parts))
}

function stagesOf(
  { chain }: PlanProblem,
  starts: readonly number[],
  hosts: readonly number[],
): PlannedStage[] {
  const firsts = hosts.flatMap((host, part) => (host === hosts[part - 1] ? [] : [part]))
  return firsts.map((part, i) => {
    const next = firsts[i + 1]
    const to = next === undefined ? chain.blocks.length : (starts[next] ?? 0)
    return { from: starts[part] ?? 0, to, devices: [hosts[part] ?? 0] }
  })
}

function fits(problem: PlanProblem, from: number, to: number, device: number): boolean {
  return memoryBytes(problem, from, to) <= (problem.devices[device]?.memoryBytes ?? 0)
}

interface Spread {
  /** Parts of the device that has most of them. */
  readonly most: number
  readonly hosts: readonly number[]
}

/** Each device takes the next few parts, or none, so that the most that one takes are as few as can be. */
function leastCrowded(problem: PlanProblem, starts: readonly number[]): readonly number[] | undefined {
  const edges = [...starts, problem.chain.blocks.length]
  // Of the first parts, as many as the index says, on the devices so far.
  let best: (Spread | undefined)[] = [{ most: 0, hosts: [] }]
  for (const device of problem.devices.keys()) {
    const before = best
    best = edges.map((end, parts) => {
      let spread = before[parts]
      for (let first = parts - 1; first >= 0 && fits(problem, edges[first] ?? 0, end, device); first--) {
        const earlier = before[first]
        const most = Math.max(earlier?.most ?? Infinity, parts - first)
        if (earlier === undefined || most >= (spread?.most ?? Infinity)) continue
        spread = { most, hosts: [...earlier.hosts, ...Array.from({ length: parts - first }, () => device)] }
      }
      return spread
    })
  }
  return best[starts.length]?.hosts
}

function infeasible(problem: PlanProblem, starts: readonly number[]): MillraceError {
  const edges = [...starts, problem.chain.blocks.length]
  const needs = starts.map((from, part) => memoryBytes(problem, from, edges[part + 1] ?? from))
  const largest = problem.devices.reduce((one, other) => (other.memoryBytes > one.memoryBytes ? other : one))
  const most = Math.max(...needs)
  const what =
    most > largest.memoryBytes
      ? `part ${needs.indexOf(most)} takes ${mib(most)} MiB with its process, and ${largest.id}, which has most, ${mib(largest.memoryBytes)}`
      : 'each part alone would, but not all of them on these workers in their order'
  return new MillraceError('PLAN_INFEASIBLE', `${starts.length} parts do not fit: ${what}`)
}

function mib(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20)
}
