import { MillraceError } from '../errors.js'
import { type Graph, type Position } from '../graph/index.js'

/**
 * Where a graph may be cut into so many partitions: the positions at which a cut breaks no fusion, or every position that
 * can be cut at all when those are too few.
 * @returns positions in topological order; at least `partitions` - 1
 * @throws TOO_MANY_PARTITIONS
 */
export function cutCandidates(graph: Graph, partitions: number): number[] {
  const cuttable = graph.positions.filter(position => position.cuttable)
  const good = cuttable.filter(position => !position.breaksFusion)
  if (good.length + 1 >= partitions) return good.map(indexOf)
  if (cuttable.length + 1 >= partitions) return cuttable.map(indexOf)
  throw new MillraceError(
    'TOO_MANY_PARTITIONS',
    `${graph.title} cannot be cut into ${partitions} partitions: it has ${cuttable.length} cut positions, ` +
      `so at most ${cuttable.length + 1} partitions`,
  )
}

function indexOf({ index }: Position): number {
  return index
}
