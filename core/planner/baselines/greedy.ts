import { type PlannedStage, type PlanProblem } from '../problem.js'
import { poolsOf, type Pool } from './leanest-parts.js'
import { fastest, type Planner } from './planner.js'

/**
 * Cuts where the fewest bytes cross in all; then, from each device in turn, walks on to the one with the fastest link of
 * those not visited. The best start counts.
 * Source: the baseline that SEIFER (arXiv 2210.12219) calls joint optimisation
 */
export const greedy: Planner = problem =>
  fastest(
    problem,
    poolsOf(problem).flatMap(pool => pool.devices.map(start => walk(problem, pool, start))),
  )

function walk({ network }: PlanProblem, { parts, devices }: Pool, start: number): PlannedStage[] {
  const unvisited = new Set(devices)
  let here = start
  return parts.map(({ from, to }, i) => {
    if (i > 0) here = nearest(network.rates[here] ?? [], unvisited)
    unvisited.delete(here)
    return { from, to, devices: [here] }
  })
}

/** The first of those with the highest rate. */
function nearest(rates: readonly number[], unvisited: ReadonlySet<number>): number {
  let best = -1
  for (const device of unvisited) {
    if (best < 0 || (rates[device] ?? 0) > (rates[best] ?? 0)) best = device
  }
  return best
}
