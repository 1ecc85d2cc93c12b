import { type Random } from '../../synthetic/index.js'
import { hopAt, type Host, type HostedStage, hostOf, type Instance, stageMs } from './instance.js'

export interface Effort {
  readonly random: Random
  readonly steps: number
  /** How much slower a plan it takes at first, in proportion; default 0.1. */
  readonly heat?: number
  /** Whether to stop before all steps are done; asked now and then. */
  readonly late: () => boolean
}

/**
 * Simulated annealing from a plan: cuts move, devices are exchanged, put in, taken out, and gathered to replicas.
 * @returns the plan with the least bottleneck that it came by; never a slower one than it was given
 */
export function anneal(instance: Instance, start: readonly HostedStage[], effort: Effort): HostedStage[] {
  const { random, steps, heat: first = 0.1, late } = effort
  let plan = [...start]
  let score = scoreOf(instance, plan)
  let best = { plan, score }
  for (let step = 0; step < steps; step++) {
    if ((step & 255) === 255 && late()) break
    const heat = first * (COLDEST / first) ** (step / steps)
    const next = neighbour(instance, plan, random)
    const nextScore = next === undefined ? undefined : scoreOf(instance, next)
    if (next === undefined || nextScore === undefined || nextScore.smooth === Infinity) continue
    const worse = Math.log(nextScore.smooth / score.smooth)
    if (!(worse <= 0) && random.uniform() >= Math.exp(-worse / heat)) continue
    plan = next
    score = nextScore
    if (score.worst < best.score.worst) best = { plan, score }
  }
  return best.plan
}

const COLDEST = 1e-4

interface Score {
  readonly worst: number
  /** A norm near the maximum in which every other slow resource counts too, or most steps would lead nowhere. */
  readonly smooth: number
}

const NORM = 10

function scoreOf(instance: Instance, plan: readonly HostedStage[]): Score {
  const times = [hopAt(instance, undefined, plan[0]?.host, 0)]
  for (let i = 0; i < plan.length; i++) {
    const { from, to, host } = plan[i] as HostedStage
    const ms = stageMs(instance, host, from, to)
    if (ms === Infinity) return { worst: Infinity, smooth: Infinity }
    times.push(ms, hopAt(instance, host, plan[i + 1]?.host, to))
  }
  const worst = Math.max(...times)
  if (worst === 0 || worst === Infinity) return { worst, smooth: worst }
  return { worst, smooth: worst * times.reduce((sum, ms) => sum + (ms / worst) ** NORM, 0) ** (1 / NORM) }
}

type Move = (instance: Instance, plan: readonly HostedStage[], random: Random) => HostedStage[] | undefined

const MOVES: readonly Move[] = [moveCut, exchange, replace, insert, remove, reverse]
const REPLICA_MOVES: readonly Move[] = [...MOVES, gather, release]

/** Nothing when the move that was drawn has nothing to do here. */
const neighbour: Move = (instance, plan, random) => {
  const moves = instance.problem.replicas ? REPLICA_MOVES : MOVES
  return moves[random.below(moves.length)]?.(instance, plan, random)
}

function moveCut(_: Instance, plan: readonly HostedStage[], random: Random): HostedStage[] | undefined {
  if (plan.length < 2) return undefined
  const i = random.below(plan.length - 1)
  const [left, right] = [plan[i] as HostedStage, plan[i + 1] as HostedStage]
  // Mostly by little: a far cut is a different plan.
  const far = 1 + Math.floor((right.to - left.from) * random.uniform() ** 3)
  const cut = left.to + (random.below(2) === 0 ? far : -far)
  if (cut <= left.from || cut >= right.to) return undefined
  return plan.with(i, { ...left, to: cut }).with(i + 1, { ...right, from: cut })
}

function exchange(_: Instance, plan: readonly HostedStage[], random: Random): HostedStage[] | undefined {
  if (plan.length < 2) return undefined
  const [i, j] = [random.below(plan.length), random.below(plan.length)]
  const [one, other] = [plan[i] as HostedStage, plan[j] as HostedStage]
  return i === j
    ? undefined
    : plan.with(i, { ...one, host: other.host }).with(j, { ...other, host: one.host })
}

function replace(
  instance: Instance,
  plan: readonly HostedStage[],
  random: Random,
): HostedStage[] | undefined {
  const free = freeDevice(instance, plan, random)
  if (free === undefined) return undefined
  const i = random.below(plan.length)
  const stage = plan[i] as HostedStage
  const members = stage.host.members.with(random.below(stage.host.members.length), free)
  return plan.with(i, { ...stage, host: hostFor(instance, members) })
}

/** Splits a stage, and gives a part of it to a free device. */
function insert(instance: Instance, plan: readonly HostedStage[], random: Random): HostedStage[] | undefined {
  const i = random.below(plan.length)
  const { from, to, host } = plan[i] as HostedStage
  const free = freeDevice(instance, plan, random)
  if (free === undefined || to - from < 2) return undefined
  const cut = from + 1 + random.below(to - from - 1)
  const other = hostFor(instance, [free])
  const hosts = random.below(2) === 0 ? [host, other] : [other, host]
  const [before, after] = [hosts[0] as Host, hosts[1] as Host]
  return plan.toSpliced(i, 1, { from, to: cut, host: before }, { from: cut, to, host: after })
}

/** Gives a stage's blocks to the stage before or after it. */
function remove(_: Instance, plan: readonly HostedStage[], random: Random): HostedStage[] | undefined {
  if (plan.length < 2) return undefined
  const i = random.below(plan.length - 1)
  const [left, right] = [plan[i] as HostedStage, plan[i + 1] as HostedStage]
  const host = random.below(2) === 0 ? left.host : right.host
  return plan.toSpliced(i, 2, { from: left.from, to: right.to, host })
}

/** Turns the order of hosts around between two stages, which keeps all links but two. */
function reverse(_: Instance, plan: readonly HostedStage[], random: Random): HostedStage[] | undefined {
  const first = random.below(plan.length)
  const last = first + random.below(plan.length - first)
  if (last === first) return undefined
  return plan.map((stage, i) =>
    i < first || i > last ? stage : { ...stage, host: (plan[first + last - i] as HostedStage).host },
  )
}

function gather(instance: Instance, plan: readonly HostedStage[], random: Random): HostedStage[] | undefined {
  const free = freeDevice(instance, plan, random)
  if (free === undefined) return undefined
  const i = random.below(plan.length)
  const stage = plan[i] as HostedStage
  return plan.with(i, { ...stage, host: hostFor(instance, [...stage.host.members, free]) })
}

function release(
  instance: Instance,
  plan: readonly HostedStage[],
  random: Random,
): HostedStage[] | undefined {
  const i = random.below(plan.length)
  const stage = plan[i] as HostedStage
  const { members } = stage.host
  if (members.length < 2) return undefined
  return plan.with(i, {
    ...stage,
    host: hostFor(instance, members.toSpliced(random.below(members.length), 1)),
  })
}

function freeDevice({ singles }: Instance, plan: readonly HostedStage[], random: Random): number | undefined {
  const used = plan.reduce((sum, { host }) => sum + host.members.length, 0)
  if (used === singles.length) return undefined
  for (;;) {
    const device = random.below(singles.length)
    if (!plan.some(({ host }) => host.members.includes(device))) return device
  }
}

function hostFor({ problem, singles }: Instance, members: readonly number[]): Host {
  const only = members.length === 1 ? singles[members[0] as number] : undefined
  return (
    only ??
    hostOf(
      problem,
      [...members].sort((a, b) => a - b),
    )
  )
}
