import { type LiveCosts, partRunMs } from '../../core/costs/index.js'
import { busiestMs, type PlanProblem, recut, workMs } from '../../core/planner/index.js'
import { chosenStage, type ChosenPlan, cutsOf, predictedOf, wiresOf } from './choose-plan.js'
import { type ShownLoad } from './live-loads.js'
import { type Situation } from './situation.js'

export interface EvenedParts {
  readonly chosen: ChosenPlan
  /** How long the slowest resource takes for a frame with the parts that are there, as frames have shown it. */
  readonly nowMs: number
}

/**
 * The parts of a plan with the borders that would make them even, as frames have shown what they take. What a part takes
 * more or less than planned is taken for a matter of where it is in the model, and so of what is near it: every part stays
 * on its workers, and only next to them do borders move.
 * @param loads  of each worker
 * @returns undefined: the model's costs are not known, or a worker has several parts
 */
export function evenedParts(
  situation: Situation,
  loads: ReadonlyMap<string, ShownLoad>,
): EvenedParts | undefined {
  const { problem, parts, costs, wireBefore } = situation
  const hosts = parts.flatMap(({ devices }) => devices)
  if (costs === undefined || new Set(hosts).size < hosts.length) return undefined
  const shown = asShown({ ...situation, costs }, loads)
  const planned = recut(shown, parts)
  const stages = planned.map(stage => chosenStage(problem, stage))
  return {
    nowMs: busiestMs(shown, parts),
    chosen: {
      cuts: cutsOf(costs, stages),
      wires: wiresOf({ stages, problem }, costs, wireBefore),
      predicted: predictedOf(shown, planned),
      ...{ stages, problem, planned },
    },
  }
}

/** With devices as fast as they would have to be to take as long for their parts as they do. */
function asShown(
  { problem, parts, costs, wireBefore }: Situation & { readonly costs: LiveCosts },
  loads: ReadonlyMap<string, ShownLoad>,
): PlanProblem {
  const devices = problem.devices.map((device, index) => {
    const part = parts.find(one => one.devices.includes(index))
    const load = loads.get(device.id)
    if (part === undefined || load === undefined) return device
    const runMs = partRunMs(costs, part, wireBefore(part.from), wireBefore(part.to))
    return { ...device, speed: (load.of === 'all' ? workMs(problem, part) : runMs) / load.ms }
  })
  return { ...problem, devices }
}
