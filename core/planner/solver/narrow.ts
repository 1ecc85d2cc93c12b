import { comparePlans, type Instance, rated, type RatedPlan, TOLERANCE } from './instance.js'
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
 * plan lowers the one, the proof that there is none raises the other. It asks by turns just below the best plan, because
 * that one is the optimum more often than not, and in the middle. Thresholds that the search cannot decide on are left
 * out, and it goes on below and above them.
 */
export function narrow(
  instance: Instance,
  start: Bracket,
  find: (withinMs: number) => Verdict,
  late: () => boolean,
): Bracket {
  let bracket = start
  let unknown: readonly [number, number] | undefined
  for (let turn = 0; !isOptimal(bracket) && !late(); turn++) {
    const withinMs = nextThreshold(bracket, unknown, turn)
    if (withinMs === undefined) break
    const verdict = find(withinMs)
    if (verdict === 'unknown') {
      unknown = [Math.min(withinMs, unknown?.[0] ?? Infinity), Math.max(withinMs, unknown?.[1] ?? 0)]
    } else if (verdict === 'none') {
      bracket = { ...bracket, lowerMs: Math.max(bracket.lowerMs, withinMs) }
    } else {
      const plan = rated(instance, verdict)
      // By rounding alone a plan within the threshold could fail to be better; asking again would not end.
      if (comparePlans(plan, bracket.best) >= 0) break
      bracket = { ...bracket, best: plan }
    }
  }
  return bracket
}

function nextThreshold(
  { best, lowerMs }: Bracket,
  unknown: readonly [number, number] | undefined,
  turn: number,
): number | undefined {
  const top = best.bottleneckMs
  if (unknown === undefined) return turn % 2 === 0 ? top * BELOW : (top + lowerMs) / 2
  const zones = [[unknown[1], top] as const, [lowerMs, unknown[0]] as const]
  const wide = zones.filter(([low, high]) => high - low > RESOLUTION * high)
  const zone = wide[turn % wide.length]
  return zone === undefined ? undefined : (zone[0] + zone[1]) / 2
}
