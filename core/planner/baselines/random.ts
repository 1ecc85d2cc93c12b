import { type PlannedStage, type PlanProblem } from '../problem.js'
import { fastest, fits, indices, type Planner } from './planner.js'

/** Draws until a plan fits: a draw of short parts runs out of devices. */
const DRAWS = 100

/**
 * Devices in uniform order; each part is grown to the memory of its device, then its end is moved to a uniform earlier
 * cut, or stays.
 * Source: the random baseline of SEIFER (arXiv 2210.12219). Its own grows all parts before it moves their ends, so that
 * the part after an end that moved may exceed its memory; here the next part grows from the end that moved.
 */
export const random: Planner = (problem, uniform) => {
  for (let draw = 0; draw < DRAWS; draw++) {
    const plan = fastest(problem, [drawn(problem, uniform)])
    if (plan) return plan
  }
  return undefined
}

function drawn(problem: PlanProblem, uniform: () => number): PlannedStage[] | undefined {
  const end = problem.chain.blocks.length
  const stages: PlannedStage[] = []
  for (const device of shuffled(problem.devices.length, uniform)) {
    const from = stages.at(-1)?.to ?? 0
    const furthest = grown(problem, from, device)
    if (furthest === from) continue
    const to = furthest === end ? end : from + 1 + Math.floor(uniform() * (furthest - from))
    stages.push({ from, to, devices: [device] })
    if (to === end) return stages
  }
  return undefined
}

/** Where the longest part ends that starts at `from` and fits the device. */
function grown(problem: PlanProblem, from: number, device: number): number {
  let to = from
  while (to < problem.chain.blocks.length && fits(problem, from, to + 1, device)) to++
  return to
}

/**
 * The numbers 0 to count - 1 in uniform order.
 * Source: R. Durstenfeld, Algorithm 235, CACM 7(7), 1964
 */
export function shuffled(count: number, uniform: () => number): number[] {
  const order = indices(count)
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(uniform() * (last + 1))
    const [a, b] = [order[last] ?? 0, order[other] ?? 0]
    order[last] = b
    order[other] = a
  }
  return order
}
