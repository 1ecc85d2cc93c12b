/** Steps after which a search gives up: finding long paths takes exponential time in the worst case. */
const STEPS = 20_000

/** `[from][to]`, bytes per ms. */
export type Rates = readonly (readonly number[])[]

export interface PathSearch {
  readonly rates: Rates
  /** Every link of the path is at least as fast. */
  readonly leastRate: number
  /** Number of links, 1 or more. */
  readonly length: number
  /** Devices that the path may visit beside its ends. */
  readonly free: readonly number[]
  /** Where it must start and end; any free device where not given. */
  readonly start?: number | undefined
  readonly end?: number | undefined
}

/**
 * A path that visits no device twice, by depth-first search in the order of the free devices.
 * @returns length + 1 devices; undefined where there is none, or none was found in 20,000 steps
 */
export function simplePath(search: PathSearch): number[] | undefined {
  const { rates, leastRate, length, free, start, end } = search
  const path: number[] = []
  const visited = new Set<number>()
  let steps = 0
  const step = (device: number): boolean => {
    if (++steps > STEPS) return false
    path.push(device)
    visited.add(device)
    if (path.length > length || nextOf(device).some(step)) return true
    path.pop()
    visited.delete(device)
    return false
  }
  const nextOf = (device: number) => {
    const isLast = path.length === length
    const candidates = isLast && end !== undefined ? [end] : free
    return candidates.filter(next => !visited.has(next) && (rates[device]?.[next] ?? 0) >= leastRate)
  }
  return (start === undefined ? free : [start]).some(step) ? path : undefined
}
