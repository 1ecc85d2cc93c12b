import { type Partition } from '../../../core/graph/index.js'
import { type Tensors, tensorsBytes } from '../../../core/tensor.js'
import { pick } from '../../profiler/index.js'
import { openSession } from '../../session/index.js'

export interface ChainRun {
  /** For each partition, in order: bytes of what it sends for this frame. */
  readonly outBytes: readonly number[]
  /** What the last partition sends. */
  readonly outputs: Tensors
}

/** Runs the partitions one after the other on one frame, holding one session at a time. */
export async function runChain(
  partitions: readonly Partition[],
  feeds: Tensors,
  checkpoint: () => Promise<void>,
): Promise<ChainRun> {
  const outBytes: number[] = []
  let tensors = feeds
  for (const partition of partitions) {
    await checkpoint()
    tensors = pick(partition.sends, { ...tensors, ...(await run(partition, tensors)) })
    outBytes.push(tensorsBytes(tensors))
  }
  return { outBytes, outputs: tensors }
}

async function run({ model }: Partition, tensors: Tensors): Promise<Tensors> {
  const session = await openSession(model)
  try {
    return await session.run(pick(session.inputNames, tensors))
  } finally {
    await session.release()
  }
}
