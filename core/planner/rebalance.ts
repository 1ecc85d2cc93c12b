import { type Load, loadsOf, type Resource } from './objective.js'
import { type PlannedStage, type PlanProblem } from './problem.js'

/** Rounds of the search: in each, one part moves. */
const MOST_MOVES = 64
/** By what part a move must better the whole, so that nothing moves for nothing. */
const WORTH_A_MOVE = 0.01
/** How much the slowest resource counts beside the others, as the power of a mean. */
const POWER = 8

/**
 * How long the slowest resource is busy with a frame, where a device may run several parts that need not be neighbours.
 * Infinity where frames have no way.
 */
export function busiestMs(problem: PlanProblem, parts: readonly PlannedStage[]): number {
  return Math.max(...summedLoads(problem, parts))
}

/** The same parts with neighbours that run on one device alone as one stage, which they are for every resource. */
export function joined(parts: readonly PlannedStage[]): PlannedStage[] {
  const stages: PlannedStage[] = []
  for (const part of parts) {
    const before = stages.at(-1)
    const together = before?.devices.length === 1 && part.devices.length === 1
    if (before !== undefined && together && before.devices[0] === part.devices[0]) {
      stages.splice(-1, 1, { from: before.from, to: part.to, devices: part.devices })
    } else stages.push(part)
  }
  return stages
}

/**
 * The same parts on other devices, as far as that betters the slowest resources: one moves at a time, that which helps
 * most, from where they are. What is found is no worse, and need not be the best there is.
 * @param fits  whether parts may be where these are
 */
export function rebalanced(
  problem: PlanProblem,
  parts: readonly PlannedStage[],
  fits: (parts: readonly PlannedStage[]) => boolean,
): readonly PlannedStage[] {
  let [best, cost] = [parts, costOf(problem, parts)]
  for (let i = 0; i < MOST_MOVES; i++) {
    const before = best
    const limit = cost * (1 - WORTH_A_MOVE)
    for (const moved of moves(before, problem.devices.length)) {
      const now = costOf(problem, moved)
      if (now < Math.min(cost, limit) && fits(moved)) [best, cost] = [moved, now]
    }
    if (best === before) break
  }
  return best
}

function* moves(parts: readonly PlannedStage[], devices: number): Generator<PlannedStage[]> {
  for (const [i, { from, to, devices: here }] of parts.entries()) {
    for (const left of here) {
      for (let device = 0; device < devices; device++) {
        if (here.includes(device)) continue
        const there = [...here.filter(other => other !== left), device].sort((a, b) => a - b)
        yield parts.with(i, { from, to, devices: there })
      }
    }
  }
}

/** Near to the slowest, but less where fewer others are as slow, so that one move after the other can help. */
function costOf(problem: PlanProblem, parts: readonly PlannedStage[]): number {
  const loads = summedLoads(problem, parts)
  const most = Math.max(...loads)
  if (most === 0 || most === Infinity) return most
  return most * loads.reduce((sum, ms) => sum + (ms / most) ** POWER, 0) ** (1 / POWER)
}

function summedLoads(problem: PlanProblem, parts: readonly PlannedStage[]): number[] {
  const sums = new Map<string, number>()
  for (const { resource, ms } of loadsOf(problem, joined(parts)) satisfies Load[]) {
    const key = keyOf(resource)
    sums.set(key, (sums.get(key) ?? 0) + ms)
  }
  return [...sums.values()]
}

function keyOf(resource: Resource): string {
  return resource.kind === 'link'
    ? `link ${resource.from} ${resource.to}`
    : `${resource.kind} ${resource.device}`
}
