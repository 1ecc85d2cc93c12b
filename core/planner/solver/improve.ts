import { randomOf } from '../../synthetic/index.js'
import { alongOrder } from './along-order.js'
import { anneal, type Effort } from './anneal.js'
import { comparePlans, type HostedStage, type Instance, rated, type RatedPlan } from './instance.js'
import { startingPlans } from './starts.js'

const RESTARTS = 4
const REFINING_STEPS = 2000

/** The best of the starting plans, annealed from several of them. */
export function improved(
  instance: Instance,
  steps: number,
  seed: number,
  late: () => boolean,
): RatedPlan | undefined {
  const starts = startingPlans(instance).map(stages => ({ stages, plan: rated(instance, stages) }))
  starts.sort((a, b) => comparePlans(a.plan, b.plan))
  const random = randomOf('plan', seed)
  return starts
    .slice(0, RESTARTS)
    .map(({ stages }) => refined(instance, stages, { random, steps: steps / RESTARTS, late }))
    .reduce<RatedPlan | undefined>(better, undefined)
}

function refined(instance: Instance, stages: readonly HostedStage[], effort: Effort): RatedPlan {
  const annealed = anneal(instance, stages, effort)
  const order = annealed.map(({ host }) => host)
  const recut = alongOrder(instance, order) ?? annealed
  return [annealed, recut].map(each => rated(instance, each)).reduce(better, rated(instance, stages))
}

/** For plans that a proof comes upon: they are near the optimum already. */
export function refiner(instance: Instance, seed: number, late: () => boolean) {
  const random = randomOf('refine', seed)
  return (stages: readonly HostedStage[]) =>
    refined(instance, stages, { random, steps: REFINING_STEPS, heat: 0.01, late })
}

export function better(one: RatedPlan | undefined, other: RatedPlan): RatedPlan {
  return one !== undefined && comparePlans(one, other) <= 0 ? one : other
}
