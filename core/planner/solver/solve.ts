import { type PlannedStage, type PlanProblem } from '../problem.js'
import { lowerBound } from './bounds.js'
import { checkProblem } from './check.js'
import { baselinePlan } from './fallback.js'
import { better, improved, refiner } from './improve.js'
import { infeasible } from './infeasible.js'
import { type Instance, instanceOf, rated, type RatedPlan, TOLERANCE } from './instance.js'
import { latencySearchable, leastLatency } from './least-latency.js'
import { type Bracket, isOptimal, narrow } from './narrow.js'
import { walkSearchable, WalkSearch } from './walk-search.js'
import { selectionsOf } from './selections.js'
import { subsetSearchable, SubsetSearch, type Verdict } from './subset-search.js'

/** Steps of annealing: before an exact search at the most, before one that may give up, and in place of one. */
const STEPS = { exact: 4000, walks: 40_000, alone: 400_000 }

export interface SolveOptions {
  /** A clock in ms that only goes forward. */
  readonly now: () => number
  /** Default 10,000. When it is over, the best plan so far is the answer, with the bound proved so far. */
  readonly timeLimitMs?: number
  /** Default 0. */
  readonly seed?: number
}

export interface SolvedPlan {
  readonly stages: readonly PlannedStage[]
  /** As `bottleneckOf` says. */
  readonly bottleneckMs: number
  /** No plan of the space is faster: contiguous stages, each on devices of its own. */
  readonly lowerBoundMs: number
  /** By what part the bottleneck may be above the best there is: 0 to 1. */
  readonly gap: number
  /** Proved: no plan of the space is faster by more than a billionth. */
  readonly optimal: boolean
  readonly solveMs: number
}

/**
 * The plan whose slowest resource is as fast as it can be; of plans alike in that the one with the least latency, and of
 * those one with fewest devices. Never a slower one than a baseline's, in the order that devices are listed in and with
 * numbers by chance from `randomOf('baselines', seed)`. The same for the same problem and seed whatever that order is,
 * unless the time limit cuts it short, or a baseline's plan is the best of what was found without proof.
 * @throws PLAN_INFEASIBLE, PLAN_PROBLEM_INVALID
 */
export function solvePlan(problem: PlanProblem, options: SolveOptions): SolvedPlan {
  const { now, timeLimitMs = 10_000, seed = 0 } = options
  const begun = now()
  const late = () => now() - begun > timeLimitMs
  checkProblem(problem)
  const instance = instanceOf(problem)
  const known = () => baselinePlan(instance, problem, seed)
  const bracket = orKnown(search(instance, seed, late, known), known)
  const optimal = isOptimal(bracket)
  const { stages, bottleneckMs } = bracket.best
  const lowerBoundMs = optimal ? bottleneckMs : bracket.lowerMs
  return {
    stages: stages.map(stage => asListed(instance, stage)),
    bottleneckMs,
    lowerBoundMs,
    gap: optimal ? 0 : 1 - lowerBoundMs / bottleneckMs,
    optimal,
    solveMs: now() - begun,
  }
}

/** A plan that is known without a search. */
type Known = () => RatedPlan | undefined

function search(instance: Instance, seed: number, late: () => boolean, known: Known): Bracket {
  const lowerMs = lowerBound(instance)
  if (lowerMs === Infinity) throw infeasible(instance)
  return subsetSearchable(instance)
    ? exactly(instance, lowerMs, seed, late, known)
    : asFarAsItGoes(instance, lowerMs, seed, late, known)
}

/** A short search for a good plan, and then the proof, or the better plan that the proof comes upon. */
function exactly(
  instance: Instance,
  lowerMs: number,
  seed: number,
  late: () => boolean,
  known: Known,
): Bracket {
  const selections = selectionsOf(instance)
  const subsets = new SubsetSearch(instance, selections, late)
  const find = (withinMs: number) => subsets.find(withinMs)
  const refine = refiner(instance, seed, late)
  // A table that is soon filled needs no better plan to begin with.
  const steps = Math.min(STEPS.exact, selections.parts.length)
  const best = improved(instance, steps, seed, late) ?? firstPlan(instance, find(Infinity), known)
  const bracket = narrow({ best, lowerMs }, find, refine, late)
  if (!isOptimal(bracket) || !latencySearchable(instance, selections)) return bracket
  const { bottleneckMs, latencyMs } = bracket.best
  const quicker = leastLatency(instance, selections, bottleneckMs * (1 + TOLERANCE), latencyMs, late)
  return quicker === undefined
    ? bracket
    : { ...bracket, best: better(bracket.best, rated(instance, quicker)) }
}

/** What the exact search cannot hold: a longer search for a good plan, and proofs as far as they are found in time. */
function asFarAsItGoes(
  instance: Instance,
  lowerMs: number,
  seed: number,
  late: () => boolean,
  known: Known,
): Bracket {
  const walks = walkSearchable(instance) ? new WalkSearch(instance, late) : undefined
  const refine = refiner(instance, seed, late)
  const best =
    improved(instance, walks === undefined ? STEPS.alone : STEPS.walks, seed, late) ??
    firstPlan(instance, walks?.find(Infinity) ?? 'unknown', known)
  if (walks === undefined) return { best, lowerMs }
  return narrow({ best, lowerMs }, withinMs => walks.find(withinMs), refine, late)
}

function firstPlan(instance: Instance, verdict: Verdict, known: Known): RatedPlan {
  if (verdict === 'none') throw infeasible(instance)
  if (verdict !== 'unknown') return rated(instance, verdict)
  const plan = known()
  if (plan === undefined) throw infeasible(instance, 'in the time given')
  return plan
}

function orKnown(bracket: Bracket, known: Known): Bracket {
  const plan = isOptimal(bracket) ? undefined : known()
  const faster = (plan?.bottleneckMs ?? Infinity) < bracket.best.bottleneckMs
  return plan !== undefined && faster ? { ...bracket, best: plan } : bracket
}

function asListed({ listed }: Instance, { from, to, devices }: PlannedStage): PlannedStage {
  return { from, to, devices: devices.map(device => listed[device] ?? 0).sort((a, b) => a - b) }
}
