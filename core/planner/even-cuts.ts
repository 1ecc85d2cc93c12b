import { MillraceError } from '../errors.js'
import { type Chain } from './problem.js'

/** Time of the slower of a part, the blocks [first, last], and the link over which its tensors arrive. */
export type PartMs = (part: number, first: number, last: number) => number

/**
 * Cuts a chain into exactly `parts` parts, so that the slowest part or link is as fast as it can be: exact, by dynamic
 * programming over (parts, blocks), O(parts * blocks^2). Of equally fast cuts it takes those over which the fewest bytes
 * go, and of those the earliest.
 * @returns the block that each part begins with; the first is 0
 * @throws TOO_MANY_PARTITIONS: there are fewer blocks than parts, or fewer than 1 part
 * Source: DEFER §III divides by hand; this is the linear partition problem with a cost of transfer
 */
export function evenCuts(chain: Chain, parts: number, partMs: PartMs): number[] {
  const blocks = chain.blocks.length
  if (!Number.isSafeInteger(parts) || parts < 1 || parts > blocks) {
    throw new MillraceError('TOO_MANY_PARTITIONS', `${blocks} blocks cannot make ${parts} partitions`)
  }
  const bottleneckMs = leastBottleneck(blocks, parts, partMs)
  // Bytes are looked at only when the bottleneck is known: the parts of the fastest cuts need not be fastest themselves.
  return leanestStarts(chain, parts, (part, first, last) => partMs(part, first, last) <= bottleneckMs)
}

/** Time of the slowest of `parts` parts of `count` blocks, when it is as fast as it can be. */
function leastBottleneck(count: number, parts: number, partMs: PartMs): number {
  // For the blocks from `first` on, in as many parts as there were rounds.
  let rest = Array.from({ length: count }, (_, first) => partMs(parts - 1, first, count - 1))
  for (let round = 2; round <= parts; round++) {
    const before = rest
    rest = before.map((_, first) => {
      let best = Infinity
      for (let last = first; last <= count - round; last++) {
        best = Math.min(best, Math.max(partMs(parts - round, first, last), before[last + 1] ?? Infinity))
      }
      return best
    })
  }
  return rest[0] ?? Infinity
}

interface Choice {
  /** Sent between the parts. */
  readonly bytes: number
  /** Where the part after this one begins; the number of blocks after the last one. */
  readonly next: number
}

/** Where each part begins, so that all parts fit and fewest bytes cross. */
function leanestStarts(
  chain: Chain,
  parts: number,
  fits: (part: number, first: number, last: number) => boolean,
): number[] {
  const { blocks } = chain
  const end = blocks.length
  const layers: Choice[][] = [
    blocks.map((_, first) => ({ bytes: fits(parts - 1, first, end - 1) ? 0 : Infinity, next: end })),
  ]
  for (let round = 2; round <= parts; round++) {
    const rest = layers[0] ?? []
    const fitsHere = (first: number, last: number) => fits(parts - round, first, last)
    layers.unshift(blocks.map((_, first) => leanest(chain, first, end - round, rest, fitsHere)))
  }
  const starts: number[] = []
  let start = 0
  for (const layer of layers) {
    starts.push(start)
    start = layer[start]?.next ?? end
  }
  return starts
}

/** The first part, from `first` to `most` at the latest, before the `rest`; the shortest of those that send as little. */
function leanest(
  { blocks, crossings }: Chain,
  first: number,
  most: number,
  rest: readonly Choice[],
  fits: (first: number, last: number) => boolean,
): Choice {
  let best: Choice = { bytes: Infinity, next: blocks.length }
  for (let last = first; last <= most; last++) {
    const bytes = (crossings[last + 1]?.bytes ?? 0) + (rest[last + 1]?.bytes ?? Infinity)
    if (bytes < best.bytes && fits(first, last)) best = { bytes, next: last + 1 }
  }
  return best
}
