import { shuffled } from '../../../core/planner/baselines/random.js'
import { type Planner } from '../../../core/planner/baselines/index.js'
import { memoryBytes } from '../../../core/planner/objective.js'
import { type PlanProblem } from '../../../core/planner/problem.js'

/**
 * SEIFER's random baseline as its figures show it: all parts are grown to the memory limit first, then the end of each
 * moves to a uniform cut within it. The part after an end that moved may exceed its memory, and often does, so this is not
 * among the baselines that plans are compared with.
 */
export const publishedRandom: Planner = (problem, uniform) => {
  const ends = grownEnds(problem)
  const order = shuffled(problem.devices.length, uniform)
  if (ends.length > order.length) return undefined
  const moved = ends.map((end, i) => {
    const start = ends[i - 1] ?? 0
    return i === ends.length - 1 ? end : start + 1 + Math.floor(uniform() * (end - start))
  })
  return moved.map((to, i) => ({ from: moved[i - 1] ?? 0, to, devices: [order[i] ?? 0] }))
}

function grownEnds(problem: PlanProblem): number[] {
  const blocks = problem.chain.blocks.length
  const limit = problem.devices[0]?.memoryBytes ?? 0
  const ends: number[] = []
  for (let from = 0; from < blocks;) {
    let to = from + 1
    while (to < blocks && memoryBytes(problem, from, to + 1) <= limit) to++
    ends.push(to)
    from = to
  }
  return ends
}
