import { evenCuts } from './even-cuts.js'
import { hopMs, type HopEnd } from './hop.js'
import { partsOf } from './in-order.js'
import { sharesOf } from './objective.js'
import { type PlannedStage, type PlanProblem } from './problem.js'

/**
 * The same stages on the same devices, each device in one, with borders between them where the slowest resource is as fast
 * as it can be.
 * @returns what was there, where no borders fit into memory
 */
export function recut(problem: PlanProblem, stages: readonly PlannedStage[]): readonly PlannedStage[] {
  const { chain, devices } = problem
  const ends = stages.map(stage => {
    return sharesOf(problem, stage).map((share, i): HopEnd => ({ device: stage.devices[i] ?? 0, share }))
  })
  // What the busiest device of a stage takes, as a part of what one of speed 1 would take for all its frames.
  const slowest = ends.map(all => Math.max(...all.map(one => one.share / (devices[one.device]?.speed ?? 0))))
  const room = ends.map(all => Math.min(...all.map(one => devices[one.device]?.memoryBytes ?? 0)))
  const parts = partsOf(problem)
  const partMs = (stage: number, first: number, last: number) => {
    const { work = 0, bytes = Infinity } = parts[first]?.[last] ?? {}
    if (bytes > (room[stage] ?? 0)) return Infinity
    const arriving = chain.crossings[first]?.bytes ?? 0
    return Math.max(
      work * (slowest[stage] ?? 0),
      hopMs(problem, arriving, ends[stage - 1], ends[stage] ?? []),
    )
  }
  const starts = evenCuts(chain, stages.length, partMs)
  const moved = stages.map((stage, i) => {
    return { ...stage, from: starts[i] ?? 0, to: starts[i + 1] ?? chain.blocks.length }
  })
  const fits = moved.every(({ from, to }, i) => partMs(i, from, to - 1) < Infinity)
  return fits ? moved : stages
}
