import { type NodeTimes } from '../../core/costs/index.js'
import { type Graph, graphFile } from '../../core/graph/index.js'
import { type Tensors } from '../../core/tensor.js'
import { openSession } from '../session/index.js'
import { ProfiledModel } from './nodes.js'
import { inRounds, type RoundLimits } from './rounds.js'

export interface WholeTimes extends NodeTimes {
  /** Of each run without the profiler, which takes some of its own. */
  readonly plainMs: readonly number[]
}

/** Weights of sessions that are open at once, in bytes: they take about three times that. */
export const OPEN_BYTES = 2 ** 28

/** Kernels that a profiler's file may have, near enough: a line each, read as a whole. */
const MOST_LINES = 50_000

/** Runs a model as a whole, with ONNX Runtime's profiler and without it, in turns where its weights may be there twice. */
export async function measureWhole(
  graph: Graph,
  feeds: Tensors,
  given: RoundLimits & { readonly folder: string; readonly weightBytes: number },
  checkpoint: () => Promise<void>,
): Promise<WholeTimes> {
  const most = Math.max(given.fewest, Math.min(given.most, Math.floor(MOST_LINES / (graph.nodes.length + 1))))
  const limits = { ...given, most }
  const openPlain = async () => {
    const session = await openSession(graphFile(graph))
    await session.run(feeds)
    return session
  }
  const openProfiled = async () => {
    const model = await ProfiledModel.open(graph, feeds, given.folder)
    await model.run()
    return model
  }
  if (given.weightBytes > OPEN_BYTES) {
    const plain = await openPlain()
    const [plainMs = []] = await inRounds([() => plain.run(feeds)], limits, checkpoint)
    await plain.release()
    const profiled = await openProfiled()
    await inRounds([() => profiled.run()], limits, checkpoint)
    return { ...(await profiled.close()), plainMs }
  }
  const plain = await openPlain()
  const profiled = await openProfiled()
  const [plainMs = []] = await inRounds([() => plain.run(feeds), () => profiled.run()], limits, checkpoint)
  await plain.release()
  return { ...(await profiled.close()), plainMs }
}
