import { randomOf } from '../../synthetic/index.js'
import { baselines } from '../baselines/index.js'
import { fastest } from '../baselines/planner.js'
import { type PlanProblem } from '../problem.js'
import { type Instance, ratedPlan, type RatedPlan } from './instance.js'

/**
 * The fastest plan of all baselines, which are given the problem as it is: some of them go by the order of devices.
 * @returns nothing where none of them finds one that the instance allows
 */
export function baselinePlan(instance: Instance, given: PlanProblem, seed: number): RatedPlan | undefined {
  const source = randomOf('baselines', seed)
  const random = () => source.uniform()
  const plan = fastest(
    given,
    Object.values(baselines)
      .map(planner => planner(given, random))
      .filter(stages => stages?.every(({ from, to, devices }) => allowed(given, from, to, devices))),
  )
  return (
    plan &&
    ratedPlan(
      instance,
      plan.map(stage => ({
        ...stage,
        devices: stage.devices.map(device => instance.listed.indexOf(device)),
      })),
    )
  )
}

/** Baselines know nothing of pinned blocks. */
function allowed({ pinned }: PlanProblem, from: number, to: number, devices: readonly number[]): boolean {
  return [...(pinned ?? [])].every(
    ([block, device]) => block < from || block >= to || (devices.length === 1 && devices[0] === device),
  )
}
