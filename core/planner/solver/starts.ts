import { greedy } from '../baselines/greedy.js'
import { kpath } from '../baselines/kpath.js'
import { type Planner } from '../baselines/planner.js'
import { alongOrder } from './along-order.js'
import { type Host, type HostedStage, hostOf, type Instance } from './instance.js'
import { rateOf } from './links.js'

/**
 * Plans to begin with, each with the best cuts for its order of devices: one device; all in the order of ids, or the
 * fastest first; from each device on always to the one with the best link (the greedy walk); those of SEIFER's two ways to
 * plan; and with replicas the whole model on the fastest device, the fastest two,
 * and so on.
 */
export function startingPlans(instance: Instance): HostedStage[][] {
  const { singles, problem } = instance
  const fastestFirst = [...singles].sort((a, b) => b.speed - a.speed)
  const orders: (readonly Host[])[] = [
    ...singles.map(host => [host]),
    singles,
    fastestFirst,
    ...singles.map(first => greedyWalk(instance, first)),
    ...[greedy, kpath].flatMap(plan => orderOf(instance, plan)),
    ...(problem.replicas ? wholeModel(instance, fastestFirst) : []),
  ]
  return orders.flatMap(order => {
    const plan = alongOrder(instance, order)
    return plan === undefined ? [] : [plan]
  })
}

/** The devices of a baseline's plan, in its order. Neither of the two asks for a number by chance. */
function orderOf({ problem, singles }: Instance, plan: Planner): Host[][] {
  const stages = plan(problem, () => 0) ?? []
  const hosts = stages.flatMap(({ devices }) => devices.flatMap(device => singles[device] ?? []))
  return hosts.length === 0 ? [] : [hosts]
}

function greedyWalk({ singles, links }: Instance, first: Host): Host[] {
  const walk = [first]
  const left = new Set(singles.filter(host => host !== first))
  let at = first
  while (left.size > 0) {
    const rates = [...left].map(host => ({ host, rate: rateOf(links, at.only, host.only) }))
    at = rates.reduce((best, next) => (next.rate > best.rate ? next : best)).host
    left.delete(at)
    walk.push(at)
  }
  return walk
}

function wholeModel({ problem }: Instance, fastestFirst: readonly Host[]): Host[][] {
  return fastestFirst.slice(1).map((_, i) => [
    hostOf(
      problem,
      fastestFirst.slice(0, i + 2).map(({ only }) => only),
    ),
  ])
}
