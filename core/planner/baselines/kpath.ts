import { type PlannedStage, type PlanProblem } from '../problem.js'
import { poolsOf, type Pool } from './leanest-parts.js'
import { fastest, type Planner } from './planner.js'
import { simplePath } from './simple-path.js'

const CLASSES = 8

/** k-path matching with the number of classes that serves it well in most of SEIFER's cells. */
export const kpath: Planner = kpathOf(CLASSES)

/**
 * Cuts where the fewest bytes cross in all, and sorts the links of that chain into classes by their bytes. From the
 * highest class down, each run of neighbouring links of the class, longest first, gets the path of devices, of those still
 * free, whose slowest link is the fastest.
 * @param classes  1 or more, of equal width between the fewest bytes and the most
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

function matched(problem: PlanProblem, { parts, devices }: Pool, classes: number): PlannedStage[] | undefined {
  const { rates } = problem.network
  const bytes = parts.slice(1).map(({ from }) => problem.chain.crossings[from]?.bytes ?? 0)
  const placed: (number | undefined)[] = parts.map(() => undefined)
  const free = new Set(devices)
  const place = (part: number, device: number) => {
    placed[part] = device
    free.delete(device)
  }
  for (const { first, length } of runsOf(classesOf(bytes, classes))) {
    const ends = { start: placed[first], end: placed[first + length] }
    const path = widestPath(rates, { length, free: [...free], ...ends })
    if (path === undefined) return undefined
    for (const [i, device] of path.entries()) place(first + i, device)
  }
  if (parts.length === 1) place(0, devices[0] ?? 0)
  return parts.map(({ from, to }, i) => ({ from, to, devices: [placed[i] ?? 0] }))
}

/** Classes 0 (fewest bytes) to classes - 1. */
function classesOf(bytes: readonly number[], classes: number): number[] {
  const least = Math.min(...bytes)
  const width = (Math.max(...bytes) - least) / classes
  return bytes.map(count => (width === 0 ? 0 : Math.min(classes - 1, Math.floor((count - least) / width))))
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

interface Wanted {
  readonly length: number
  readonly free: readonly number[]
  readonly start: number | undefined
  readonly end: number | undefined
}

/** The path whose slowest link is as fast as can be: binary search over the rates that links have. */
function widestPath(rates: readonly (readonly number[])[], wanted: Wanted): number[] | undefined {
  const devices = [...wanted.free, ...[wanted.start, wanted.end].filter(device => device !== undefined)]
  const found = devices.flatMap(from => devices.map(to => (from === to ? 0 : (rates[from]?.[to] ?? 0))))
  const candidates = [...new Set(found)].filter(rate => rate > 0).sort((a, b) => b - a)
  let best: number[] | undefined
  let [fast, slow] = [0, candidates.length - 1]
  while (fast <= slow) {
    const middle = (fast + slow) >> 1
    const path = simplePath({ rates, leastRate: candidates[middle] ?? 0, ...wanted })
    if (path) [best, slow] = [path, middle - 1]
    else fast = middle + 1
  }
  return best
}
