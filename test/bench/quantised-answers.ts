import { readFile } from 'node:fs/promises'
import { openSession } from '../../actors/session/index.js'
import { argMax } from '../../core/compare.js'
import { type Partition } from '../../core/graph/index.js'
import { cutCandidates } from '../../core/planner/index.js'
import { type Tensors } from '../../core/tensor.js'
import { frameFor, openGraph } from '../support/chains.js'
import { runChain, type RunPartition } from '../support/onnx-runner.js'
import { quantised } from '../support/quantised.js'

/**
 * How much a model's answers suffer from travelling as uint8: `node dist/test/bench/quantised-answers.js MODEL.onnx
 * [FRAMES]` cuts it at 7 positions, spread evenly over those that break no fusion, and prints how many synthetic frames
 * keep their top-1 class when what crosses these positions is quantised.
 */
const CUTS = 7

const [path, frames = '60'] = process.argv.slice(2)
if (path === undefined) {
  console.error('usage: node dist/test/bench/quantised-answers.js MODEL.onnx [FRAMES]')
  process.exit(2)
}
const { graph, cut } = await openGraph(await readFile(path))
const candidates = cutCandidates(graph, CUTS + 1)
const spacing = candidates.length / (CUTS + 1)
const cuts = Array.from({ length: CUTS }, (_, i) => candidates[Math.floor((i + 1) * spacing)] ?? 0)
const partitions = cut(cuts)
const exact = await runnerOf(partitions)
const lossy: RunPartition = async (partition, feeds) => {
  const outputs = await exact(partition, feeds)
  return partition === partitions.at(-1) ? outputs : quantised(outputs)
}
let kept = 0
for (let i = 0; i < Number(frames); i++) {
  const feeds = frameFor(graph, 1, i)
  const [expected, actual] = [
    await runChain(partitions, feeds, exact),
    await runChain(partitions, feeds, lossy),
  ]
  if (top1(expected) === top1(actual)) kept++
}
const tensors = cuts.flatMap(index => graph.positions[index - 1]?.crossing ?? [])
console.log(JSON.stringify({ model: path, frames: Number(frames), tensors, top1Kept: kept / Number(frames) }))

function top1(outputs: Tensors): number | undefined {
  return Object.values(outputs).slice(0, 1).map(argMax)[0]
}

/** Runs each partition in a session that is opened once. */
async function runnerOf(partitions: readonly Partition[]): Promise<RunPartition> {
  const sessions = new Map(
    await Promise.all(
      partitions.map(async partition => [partition, await openSession(partition.model)] as const),
    ),
  )
  return async (partition, feeds) => {
    const session = sessions.get(partition)
    if (!session) throw new Error('a partition has no session')
    return session.run(feeds)
  }
}
