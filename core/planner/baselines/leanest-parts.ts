import { memoryBytes } from '../objective.js'
import { type PlanProblem } from '../problem.js'
import { indices } from './planner.js'

/** Blocks [from, to). */
export interface Part {
  readonly from: number
  readonly to: number
}

/** Parts that each fit each of these devices. */
export interface Pool {
  readonly parts: readonly Part[]
  readonly devices: readonly number[]
}

/**
 * SEIFER cuts for devices of one memory. Where memories differ, one pool per size: the cuts for that size, and the
 * devices that have as much or more. A pool has at least as many devices as parts.
 */
export function poolsOf(problem: PlanProblem): Pool[] {
  const sizes = [...new Set(problem.devices.map(({ memoryBytes }) => memoryBytes))].sort((a, b) => b - a)
  return sizes.flatMap(size => {
    const devices = indices(problem.devices.length).filter(
      device => (problem.devices[device]?.memoryBytes ?? 0) >= size,
    )
    const parts = leanestParts(problem, size, devices.length)
    return parts ? [{ parts, devices }] : []
  })
}

interface Ending {
  /** Sent between the parts so far. */
  readonly bytes: number
  /** Where the last of them starts. */
  readonly from: number
}

/** By position; undefined where no parts so far end. */
type Round = readonly (Ending | undefined)[]

/**
 * At most `most` parts of at most `memory` bytes each, between which the fewest bytes are sent in all; of those the
 * fewest parts. Exact, by dynamic programming, O(parts * blocks^2).
 * @returns undefined where no such parts exist
 * Source: SEIFER (arXiv 2210.12218), which minimises the sum of transfers
 */
export function leanestParts(problem: PlanProblem, memory: number, most: number): Part[] | undefined {
  const { blocks, crossings } = problem.chain
  const furthest = furthestEnds(problem, memory)
  const rounds: Round[] = [[{ bytes: 0, from: 0 }, ...blocks.map(() => undefined)]]
  for (let improved = true; improved && rounds.length <= most;) {
    const before = rounds.at(-1) ?? []
    const after = [...before]
    improved = false
    for (const [from, ending] of before.entries()) {
      if (ending === undefined) continue
      const bytes = ending.bytes + (from === 0 ? 0 : (crossings[from]?.bytes ?? 0))
      for (let to = from + 1; to <= (furthest[from] ?? 0); to++) {
        if (bytes >= (after[to]?.bytes ?? Infinity)) continue
        after[to] = { bytes, from }
        improved = true
      }
    }
    rounds.push(after)
  }
  return traced(rounds, blocks.length)
}

/** For each block, where the longest part ends that starts with it; its own position where it does not fit itself. */
function furthestEnds(problem: PlanProblem, memory: number): number[] {
  const { blocks } = problem.chain
  let to = 0
  return blocks.map((_, from) => {
    // A part takes no less memory than its tail does: ends never move back.
    to = Math.max(to, from)
    while (to < blocks.length && memoryBytes(problem, from, to + 1) <= memory) to++
    return to
  })
}

function traced(rounds: readonly Round[], end: number): Part[] | undefined {
  const parts: Part[] = []
  let to = end
  for (let round = rounds.length - 1; round > 0 && to > 0; round--) {
    const ending = rounds[round]?.[to]
    if (ending === undefined) return undefined
    // An ending that the round before had already has one part fewer.
    if (rounds[round - 1]?.[to] === ending) continue
    parts.unshift({ from: ending.from, to })
    to = ending.from
  }
  return to === 0 && end > 0 ? parts : undefined
}
