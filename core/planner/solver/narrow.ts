import { comparePlans, type HostedStage, type RatedPlan, TOLERANCE } from './instance.js'
import { type Verdict } from './subset-search.js'

export interface Bracket {
  readonly best: RatedPlan
  /** No plan is faster; proved. */
  readonly lowerMs: number
}

/** A plan within this part of the best one so far is better by more than the tolerance. */
const BELOW = 1 - 2 * TOLERANCE

export function isOptimal({ best, lowerMs }: Bracket): boolean {
  return lowerMs >= best.bottleneckMs * (BELOW - TOLERANCE)
}

/** Thresholds nearer to each other than this in proportion are not worth another search that may give up. */
const RESOLUTION = 1e-3

/**
 * Brings the best plan and the lower bound together by asking for plans within thresholds between them: an answer with a
 * plan lowers the one (the more so as it is refined), the proof that there is none raises the other. It asks just below
 * the best plan first, and again whenever the bound was raised, because that plan is the optimum more often than not.
 * Else it asks near the bound, and further from it each time that the bound had to be raised. Thresholds that the search
 * cannot decide on are left out, and it goes on below and above them.
 */
export function narrow(
  start: Bracket,
  find: (withinMs: number) => Verdict,
  refine: (stages: readonly HostedStage[]) => RatedPlan,
  late: () => boolean,
): Bracket {
  let bracket = start
  let unknown: readonly [number, number] | undefined
  let part = NEAR
  let belowBest = true
  for (let turn = 0; !isOptimal(bracket) && !late(); turn++) {
    const top = bracket.best.bottleneckMs
    const between = belowBest ? top * BELOW : bracket.lowerMs + part * (top - bracket.lowerMs)
    const withinMs = unknown === undefined ? between : aroundUnknown(bracket, unknown, turn)
    if (withinMs === undefined) break
    const verdict = find(withinMs)
    belowBest = verdict === 'none'
    if (verdict === 'unknown') {
      unknown = [Math.min(withinMs, unknown?.[0] ?? Infinity), Math.max(withinMs, unknown?.[1] ?? 0)]
    } else if (verdict === 'none') {
      bracket = { ...bracket, lowerMs: Math.max(bracket.lowerMs, withinMs) }
      part = Math.min(0.5, 2 * part)
    } else {
      const plan = refine(verdict)
      // By rounding alone a plan within the threshold could fail to be better; asking again would not end.
      if (comparePlans(plan, bracket.best) >= 0) break
      bracket = { ...bracket, best: plan }
    }
  }
  return bracket
}

/** How far above the lower bound to ask, as a part of the gap: the bounds are mostly near the optimum. */
const NEAR = 1 / 8

function aroundUnknown(
  { best, lowerMs }: Bracket,
  unknown: readonly [number, number],
  turn: number,
): number | undefined {
  const zones = [[unknown[1], best.bottleneckMs] as const, [lowerMs, unknown[0]] as const]
  const wide = zones.filter(([low, high]) => high - low > RESOLUTION * high)
  const zone = wide[turn % wide.length]
  return zone === undefined ? undefined : (zone[0] + zone[1]) / 2
}
