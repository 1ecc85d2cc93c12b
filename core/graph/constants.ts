import { type GraphNode } from './graph.js'
import { bodiesOf } from './subgraphs.js'

/** Operators that give something else each time. */
const RANDOM = new Set([
  'Bernoulli',
  'Dropout',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
])

/**
 * Nodes whose values are the same for every frame: `Constant`, and what is computed from constants alone.
 * @param nodes  in topological order
 * @returns the node, by each value that it gives
 */
export function findConstants(
  nodes: readonly GraphNode[],
  isInitializer: (value: string) => boolean,
): Map<string, GraphNode> {
  const constants = new Map<string, GraphNode>()
  for (const node of nodes) {
    const known = node.reads.every(value => isInitializer(value) || constants.has(value))
    if (!known || !isDeterministic(node)) continue
    for (const value of node.gives) constants.set(value, node)
  }
  return constants
}

/** A node that reads nothing is constant only if it is a `Constant`: others make values out of nothing at random. */
function isDeterministic({ opType, domain, reads, proto }: GraphNode): boolean {
  if (domain !== '' || RANDOM.has(opType)) return false
  return bodiesOf(proto).length === 0 && (reads.length > 0 || opType === 'Constant')
}
