import { type Partition } from '../../../core/graph/index.js'
import { type Tensors, tensorsBytes, type TensorSpec } from '../../../core/tensor.js'
import { pick } from '../../profiler/index.js'
import { openWired } from '../../session/index.js'

export interface ChainRun {
  /** For each partition, in order: bytes of what it sends for the first frame. */
  readonly outBytes: readonly number[]
  /** For each partition: what its model takes for the first frame. */
  readonly taken: readonly (readonly TensorSpec[])[]
  /** For each frame: what the last partition sends. */
  readonly outputs: readonly Tensors[]
}

/** Runs the partitions one after the other on frames, holding one session at a time. */
export async function runChain(
  partitions: readonly Partition[],
  frames: readonly Tensors[],
  checkpoint: () => Promise<void>,
): Promise<ChainRun> {
  const outBytes: number[] = []
  const taken: TensorSpec[][] = []
  let arriving = frames
  for (const partition of partitions) {
    await checkpoint()
    const { leaving, specs } = await run(partition, arriving)
    arriving = leaving
    outBytes.push(tensorsBytes(arriving[0] ?? {}))
    taken.push(specs)
  }
  return { outBytes, taken, outputs: arriving }
}

async function run(
  { model, ...partition }: Partition,
  arriving: readonly Tensors[],
): Promise<{ leaving: Tensors[]; specs: TensorSpec[] }> {
  const session = await openWired(model, partition)
  try {
    const [first = {}] = arriving
    const specs = Object.entries(pick(session.inputNames, first)).map(([name, { dtype, dims }]) => {
      return { name, dtype, dims: [...dims] }
    })
    const leaving: Tensors[] = []
    for (const tensors of arriving) {
      const outputs = await session.run(pick(session.inputNames, tensors))
      leaving.push(pick(partition.sends, { ...tensors, ...outputs }))
    }
    return { leaving, specs }
  } finally {
    await session.release()
  }
}
