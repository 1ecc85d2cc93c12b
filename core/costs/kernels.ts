import { placeInTag } from '../graph/index.js'
import { least } from './statistics.js'
import { type Kernel } from './trace.js'

/** Where the time of runs went. */
export interface NodeTimes {
  /** For each node of the graph, the least of all runs; that of fused nodes is with the one that gives their result. */
  readonly nodeMs: readonly number[]
  /** Of their sum, time of kernels that no node could be found for; it counts for the node of the kernel before. */
  readonly unmappedMs: number
  /** One for each run: all its kernels. */
  readonly runMs: readonly number[]
}

/** Of a convolution in blocks of channels, ONNX Runtime makes the name of that of its result. */
const BLOCKED = /^(.*)_nchwc(?:_token_\d+)?$/

/**
 * Times per node of the graph, from kernels of a `taggedFile`.
 * @param nodes  of the graph
 */
export function nodeTimes(
  runs: readonly (readonly Kernel[])[],
  nodes: readonly { readonly gives: readonly string[] }[],
): NodeTimes {
  const givers = new Map(nodes.flatMap(({ gives }, place) => gives.map(value => [value, place] as const)))
  const samples = nodes.map((): number[] => [])
  const unmapped: number[] = []
  for (const run of runs) {
    const sums = nodes.map(() => 0)
    let [place, lost] = [0, 0]
    for (const { name, ms } of run) {
      const found = placeOf(name, givers)
      if (found === undefined || found >= nodes.length) lost += ms
      else place = found
      sums[place] = (sums[place] ?? 0) + ms
    }
    for (const [i, sum] of sums.entries()) samples[i]?.push(sum)
    unmapped.push(lost)
  }
  return {
    nodeMs: samples.map(least),
    unmappedMs: least(unmapped),
    runMs: runs.map(run => run.reduce((sum, { ms }) => sum + ms, 0)),
  }
}

function placeOf(name: string, givers: ReadonlyMap<string, number>): number | undefined {
  const value = BLOCKED.exec(name)?.[1]
  return placeInTag(name) ?? (value === undefined ? undefined : givers.get(value))
}
