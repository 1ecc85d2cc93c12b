import { type Partition } from '../../../core/graph/index.js'
import { MillraceError } from '../../../core/errors.js'
import { type Tensors, tensorsBytes } from '../../../core/tensor.js'
import { type OnnxSession, openSession } from '../../session/index.js'

export interface MeasuredChain {
  /** For each partition, in order: median time of one run, and bytes of what it sends for this frame. */
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
    return { outputs, computeMs: await medianRunMs(session, feeds, measureMs) }
  } finally {
    await session.release()
  }
}

async function medianRunMs(session: OnnxSession, feeds: Tensors, measureMs: number): Promise<number> {
  const times: number[] = []
  for (const endAt = performance.now() + measureMs; times.length < MOST_RUNS;) {
    const startedAt = performance.now()
    await session.run(feeds)
    times.push(performance.now() - startedAt)
    if (performance.now() >= endAt) break
  }
  times.sort((a, b) => a - b)
  return times[times.length >> 1] ?? 0
}

function pick(names: readonly string[], tensors: Tensors): Tensors {
  return Object.fromEntries(
    names.map(name => {
      const value = tensors[name]
      if (value === undefined) throw new MillraceError('GRAPH_INVALID', `nothing gives tensor '${name}'`)
      return [name, value]
    }),
  )
}
