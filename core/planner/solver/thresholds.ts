import { fits, type Host, type Instance, TOLERANCE } from './instance.js'
import { addPosition, wordsFor } from './position-sets.js'

/** Where stages that begin at `from` may end on a host within a time: a set of positions at `from * words`. */
export function stageEnds(instance: Instance, host: Host, withinMs: number): Int32Array {
  const { end, work, memory, computeAfter } = instance
  const words = wordsFor(end)
  const sets = new Int32Array(end * words)
  const most = withinMs * host.speed
  let computed = 0
  for (let from = 0; from < end; from++) {
    const row = from * (end + 1)
    // Work need not grow with the stage, because codecs differ by position; compute does.
    const leastAfter = (computeAfter[from] as number) - most * (1 + TOLERANCE)
    while (computed < end && (computeAfter[computed + 1] as number) >= leastAfter) computed++
    for (let to = from + 1; to <= computed; to++) {
      if ((work[row + to] as number) > most || (memory[row + to] as number) > host.memoryBytes) continue
      if (fits(instance, host, from, to)) addPosition(sets, from * words, to)
    }
  }
  return sets
}

/** The sets of cut positions that a hop of a given capacity can carry: the smaller ones are parts of the larger. */
export interface Crossable {
  /** How many different numbers of bytes are within a capacity. */
  rankOf(capacity: number): number
  /** The cut positions with one of the `rank` smallest numbers of bytes: a set at `rank * words`. */
  readonly sets: Int32Array
  /** The rank at which each position comes in. */
  readonly ranks: Int32Array
}

export function crossableOf({ end, bytes }: Instance): Crossable {
  const sizes = [...new Set(bytes.slice(1, end))].sort((a, b) => a - b)
  const words = wordsFor(end)
  const sets = new Int32Array((sizes.length + 1) * words)
  for (let rank = 1; rank <= sizes.length; rank++) {
    for (let p = 1; p < end; p++) {
      if ((bytes[p] as number) <= (sizes[rank - 1] as number)) addPosition(sets, rank * words, p)
    }
  }
  const rankOf = (capacity: number) => countUpTo(sizes, capacity)
  return { sets, rankOf, ranks: Int32Array.from(bytes, rankOf) }
}

function countUpTo(ascending: readonly number[], most: number): number {
  let [low, high] = [0, ascending.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ascending[middle] as number) <= most) low = middle + 1
    else high = middle
  }
  return low
}
