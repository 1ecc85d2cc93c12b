import { type Chain, type PlannedStage, type PlanProblem } from '../problem.js'
import { type Part, poolsOf, type Pool } from './leanest-parts.js'
import { fastest, type Planner } from './planner.js'
import { type PathSearch, type Rates, simplePath } from './simple-path.js'

const CLASSES = 20

/** k-path matching with the number of classes that serves it well in most of SEIFER's cells. */
export const kpath: Planner = kpathOf(CLASSES)

/**
 * Cuts where the fewest bytes cross in all, and sorts all cuts of the model into classes by their bytes. From the
 * highest class down, each run of neighbouring links of the class, longest first, gets the path of devices, of those still
 * free, whose slowest link is the fastest.
 * @param classes  1 or more, of equal width from 0 bytes to the most that cross anywhere
 * Source: k-path matching of SEIFER (arXiv 2210.12219)
 */
export function kpathOf(classes: number): Planner {
  return problem =>
    fastest(
      problem,
      poolsOf(problem).map(pool => matched(problem, pool, classes)),
    )
}

/** Links [first, first + length) of the chain: link i joins parts i and i + 1. */
interface Run {
  readonly class: number
  readonly first: number
  readonly length: number
}

function matched(
  problem: PlanProblem,
  { parts, devices }: Pool,
  classes: number,
): PlannedStage[] | undefined {
  const { rates } = problem.network
  const thresholds = ratesAmong(rates, devices)
  const placed: (number | undefined)[] = parts.map(() => undefined)
  const free = new Set(devices)
  const place = (part: number, device: number) => {
    placed[part] = device
    free.delete(device)
  }
  for (const { first, length } of runsOf(classesOf(problem.chain, parts, classes))) {
    const ends = { start: placed[first], end: placed[first + length] }
    const path = widestPath(thresholds, { rates, length, free: [...free], ...ends })
    if (path === undefined) return undefined
    for (const [i, device] of path.entries()) place(first + i, device)
  }
  if (parts.length === 1) place(0, devices[0] ?? 0)
  return parts.map(({ from, to }, i) => ({ from, to, devices: [placed[i] ?? 0] }))
}

/** Of each link of the chain: class 0 (fewest bytes) to classes - 1. The whole model's cuts say how wide a class is. */
function classesOf({ crossings }: Chain, parts: readonly Part[], classes: number): number[] {
  const most = Math.max(...crossings.slice(1, -1).map(({ bytes }) => bytes))
  return parts.slice(1).map(({ from }) => {
    const bytes = crossings[from]?.bytes ?? 0
    return bytes === most ? classes - 1 : Math.floor((bytes / most) * classes)
  })
}

/** Maximal runs of one class: highest class first, of those the longest first, of those in the order of the chain. */
function runsOf(linkClasses: readonly number[]): Run[] {
  const runs: Run[] = []
  for (const [first, linkClass] of linkClasses.entries()) {
    const last = runs.at(-1)
    if (last?.class === linkClass) runs[runs.length - 1] = { ...last, length: last.length + 1 }
    else runs.push({ class: linkClass, first, length: 1 })
  }
  return runs.sort((a, b) => b.class - a.class || b.length - a.length || a.first - b.first)
}

/** Every rate above 0 of a link between two of the devices, fastest first. */
function ratesAmong(rates: Rates, devices: readonly number[]): Float64Array {
  const found = devices.flatMap(from => devices.map(to => (from === to ? 0 : (rates[from]?.[to] ?? 0))))
  return Float64Array.from(new Set(found.filter(rate => rate > 0)))
    .sort()
    .reverse()
}

/** The path whose slowest link is as fast as can be: binary search over the rates that links have. */
function widestPath(thresholds: Float64Array, search: Omit<PathSearch, 'leastRate'>): number[] | undefined {
  let best: number[] | undefined
  let [fast, slow] = [0, thresholds.length - 1]
  while (fast <= slow) {
    const middle = (fast + slow) >> 1
    const path = simplePath({ ...search, leastRate: thresholds[middle] ?? 0 })
    if (path) [best, slow] = [path, middle - 1]
    else fast = middle + 1
  }
  return best
}
