import { MillraceError } from '../errors.js'
import { type Obstacles } from './carry.js'
import { fusedPositions } from './fusion.js'
import { type GraphNode, type Position } from './graph.js'

/** Crossings of all positions together; large models have some ten thousand. */
const MOST_CROSSINGS = 10_000_000

export interface GraphValues {
  /** Names the model in messages. */
  readonly title: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly obstacles: Obstacles
}

/**
 * Every position between two nodes, with what crosses it; in time linear in nodes and crossings.
 * @throws MODEL_UNSUPPORTED: so much crosses so many positions that listing it would fill the memory
 */
export function findPositions(nodes: readonly GraphNode[], values: GraphValues): Position[] {
  const lastUse = lastUses(nodes, values)
  const fused = fusedPositions(nodes, new Set(values.outputs))
  const live = new Set(values.inputs.filter(value => lastUse.has(value)))
  const positions: Position[] = []
  let crossings = 0
  for (const [place, node] of nodes.entries()) {
    for (const value of node.gives) if ((lastUse.get(value) ?? -1) > place) live.add(value)
    for (const value of [...node.reads, ...node.gives])
      if ((lastUse.get(value) ?? -1) <= place) live.delete(value)
    if (place + 1 === nodes.length) break
    crossings += live.size
    if (crossings > MOST_CROSSINGS) throw tooWide(values.title, live.size)
    positions.push(positionOf(place + 1, [...live], values.obstacles, fused.has(place + 1)))
  }
  return positions
}

/** The last node that reads each value; for an output of the graph, one past the last node. */
function lastUses(nodes: readonly GraphNode[], { outputs }: GraphValues): Map<string, number> {
  const lastUse = new Map<string, number>()
  for (const [place, node] of nodes.entries()) for (const value of node.reads) lastUse.set(value, place)
  for (const value of outputs) lastUse.set(value, nodes.length)
  return lastUse
}

function positionOf(
  index: number,
  crossing: readonly string[],
  obstacles: Obstacles,
  breaksFusion: boolean,
): Position {
  const blocked = crossing.find(value => obstacles.has(value))
  if (blocked === undefined) return { index, crossing, cuttable: true, breaksFusion }
  const reason = `is crossed by '${blocked}', whose type, ${obstacles.get(blocked)}, cannot be carried`
  return { index, crossing, cuttable: false, reason, breaksFusion }
}

function tooWide(title: string, width: number): MillraceError {
  return new MillraceError(
    'MODEL_UNSUPPORTED',
    `${title} is too wide to be cut: ${width} values cross one position, and above ${MOST_CROSSINGS} all together`,
  )
}
