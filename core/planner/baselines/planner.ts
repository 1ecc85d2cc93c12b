import { bottleneckOf, memoryBytes } from '../objective.js'
import { type PlannedStage, type PlanProblem } from '../problem.js'

/**
 * One way to plan.
 * @param random  uniform in [0, 1); the same numbers give the same plan
 * @returns stages end to end, one device each, none twice, each within its device's memory, with a way for frames
 *   through all of them; undefined where it finds none
 */
export type Planner = (problem: PlanProblem, random: () => number) => PlannedStage[] | undefined

/** Whether a device has memory for blocks [from, to). */
export function fits(problem: PlanProblem, from: number, to: number, device: number): boolean {
  return memoryBytes(problem, from, to) <= (problem.devices[device]?.memoryBytes ?? 0)
}

/** The plan with the least bottleneck, the first of equals; undefined where frames have a way in none. */
export function fastest(
  problem: PlanProblem,
  plans: Iterable<PlannedStage[] | undefined>,
): PlannedStage[] | undefined {
  let best: PlannedStage[] | undefined
  let leastMs = Infinity
  for (const plan of plans) {
    const { ms } = plan === undefined ? { ms: Infinity } : bottleneckOf(problem, plan)
    if (ms < leastMs) [best, leastMs] = [plan, ms]
  }
  return best
}

/** Numbers 0 to count - 1. */
export function indices(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}
