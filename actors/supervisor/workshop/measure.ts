import { type Partition } from '../../../core/graph/index.js'
import { least } from '../../../core/costs/index.js'
import { type Tensors, tensorsBytes } from '../../../core/tensor.js'
import { inRounds, pick } from '../../profiler/index.js'
import { type OnnxSession, openSession } from '../../session/index.js'

export interface MeasuredChain {
  /** For each partition, in order: least time of one run on a core, in ms, and bytes of what it sends for this frame. */
  readonly stages: readonly { readonly computeMs: number; readonly outBytes: number }[]
  /** What the last partition sends. */
  readonly outputs: Tensors
}

const MOST_RUNS = 25

/** Runs the partitions one after the other on one frame, each several times, holding one session at a time. */
export async function measureChain(
  partitions: readonly Partition[],
  feeds: Tensors,
  measureMs: number,
  checkpoint: () => Promise<void>,
): Promise<MeasuredChain> {
  const stages: { computeMs: number; outBytes: number }[] = []
  let tensors = feeds
  for (const partition of partitions) {
    await checkpoint()
    const { outputs, computeMs } = await measure(partition, tensors, measureMs)
    tensors = pick(partition.sends, { ...tensors, ...outputs })
    stages.push({
      computeMs,
      outBytes: tensorsBytes(tensors),
    })
  }
  return { stages, outputs: tensors }
}

async function measure(
  partition: Partition,
  tensors: Tensors,
  measureMs: number,
): Promise<{ outputs: Tensors; computeMs: number }> {
  const session = await openSession(partition.model)
  try {
    const feeds = pick(session.inputNames, tensors)
    const outputs = await session.run(feeds)
    return { outputs, computeMs: await leastRunMs(session, feeds, measureMs) }
  } finally {
    await session.release()
  }
}

async function leastRunMs(session: OnnxSession, feeds: Tensors, measureMs: number): Promise<number> {
  const limits = { budgetMs: measureMs, fewest: 1, most: MOST_RUNS }
  const [samples = []] = await inRounds([() => session.run(feeds)], limits, async () => {})
  return least(samples)
}
