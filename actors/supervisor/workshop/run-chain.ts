import { type Partition } from '../../../core/graph/index.js'
import { type Tensors, tensorsBytes, type TensorSpec } from '../../../core/tensor.js'
import { pick } from '../../profiler/index.js'
import { openWired } from '../../session/index.js'

export interface ChainRun {
  /** For each partition, in order: bytes of what it sends for this frame. */
  readonly outBytes: readonly number[]
  /** For each partition: what its model takes for this frame. */
  readonly taken: readonly (readonly TensorSpec[])[]
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
  const taken: TensorSpec[][] = []
  let tensors = feeds
  for (const partition of partitions) {
    await checkpoint()
    const { outputs, specs } = await run(partition, tensors)
    tensors = pick(partition.sends, { ...tensors, ...outputs })
    outBytes.push(tensorsBytes(tensors))
    taken.push(specs)
  }
  return { outBytes, taken, outputs: tensors }
}

async function run(
  { model, ...wiring }: Partition,
  tensors: Tensors,
): Promise<{ outputs: Tensors; specs: TensorSpec[] }> {
  const session = await openWired(model, wiring)
  try {
    const taken = pick(session.inputNames, tensors)
    const specs = Object.entries(taken).map(([name, { dtype, dims }]) => ({ name, dtype, dims: [...dims] }))
    return { outputs: await session.run(taken), specs }
  } finally {
    await session.release()
  }
}
