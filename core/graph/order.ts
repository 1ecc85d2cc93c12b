import { MillraceError } from '../errors.js'
import { type GraphNode } from './graph.js'

/**
 * The nodes so that each comes after those whose values it reads, and otherwise as the file has them.
 * @param available  values that are there from the beginning
 * @throws GRAPH_INVALID: a cycle, a value that nothing gives, or that two give
 */
export function orderNodes(
  nodes: readonly GraphNode[],
  available: readonly string[],
  title: string,
): GraphNode[] {
  const producers = producersOf(nodes, new Set(available), title)
  const readers: number[][] = nodes.map(() => [])
  const missing = nodes.map((node, index) => {
    const sources = new Set(
      node.reads.map(value => producers.get(value)).filter(source => source !== undefined),
    )
    for (const source of sources) readers[source]?.push(index)
    return sources.size
  })
  const ready = nodes.map((_, index) => index).filter(index => missing[index] === 0)
  const ordered: number[] = []
  for (let index = ready.shift(); index !== undefined; index = ready.shift()) {
    ordered.push(index)
    for (const reader of readers[index] ?? []) {
      missing[reader] = (missing[reader] ?? 0) - 1
      if (missing[reader] === 0) insertSorted(ready, reader)
    }
  }
  if (ordered.length < nodes.length) throw cycleError(nodes, missing, producers, title)
  return ordered.map(index => nodes[index]).filter(node => node !== undefined)
}

/** The nodes that give `outputs` and what these need, in the order of `nodes`, which is topological. */
export function neededFor(outputs: readonly string[], nodes: readonly GraphNode[]): GraphNode[] {
  const needed = new Set(outputs)
  const kept = nodes.toReversed().filter(({ gives, reads }) => {
    const isNeeded = gives.some(value => needed.has(value))
    if (isNeeded) for (const value of reads) needed.add(value)
    return isNeeded
  })
  return kept.reverse()
}

/** Every node that is left waits for another that is left, so that going back from one ends up in a cycle. */
function cycleError(
  nodes: readonly GraphNode[],
  missing: readonly number[],
  producers: ReadonlyMap<string, number>,
  title: string,
): MillraceError {
  const before = (index: number) =>
    nodes[index]?.reads.map(value => producers.get(value) ?? -1).find(source => (missing[source] ?? 0) > 0)
  const path: number[] = []
  let at = missing.findIndex(count => count > 0)
  while (!path.includes(at)) {
    path.push(at)
    at = before(at) ?? at
  }
  const names = path.slice(path.indexOf(at)).map(index => `'${nodes[index]?.name}'`)
  const listed = names.length > 5 ? [...names.slice(0, 5), '…'] : names
  return new MillraceError(
    'GRAPH_INVALID',
    `${title}: node ${names[0]} waits for itself, through ${listed.join(', ')}`,
  )
}

/** The node that gives each value, by its place in the file. */
function producersOf(
  nodes: readonly GraphNode[],
  available: ReadonlySet<string>,
  title: string,
): Map<string, number> {
  const producers = new Map<string, number>()
  for (const [index, { name, gives }] of nodes.entries()) {
    for (const value of gives) {
      if (producers.has(value) || available.has(value)) {
        throw new MillraceError(
          'GRAPH_INVALID',
          `${title}: value '${value}' is given twice, once by node '${name}'`,
        )
      }
      producers.set(value, index)
    }
  }
  for (const { name, reads } of nodes) {
    const unknown = reads.find(value => !producers.has(value) && !available.has(value))
    if (unknown !== undefined) {
      throw new MillraceError(
        'GRAPH_INVALID',
        `${title}: node '${name}' reads '${unknown}', which nothing gives`,
      )
    }
  }
  return producers
}

function insertSorted(sorted: number[], value: number): void {
  let low = 0
  for (let high = sorted.length; low < high;) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? 0) < value) low = middle + 1
    else high = middle
  }
  sorted.splice(low, 0, value)
}
