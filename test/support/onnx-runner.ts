import { openSession, openWired } from '../../actors/session/index.js'
import { type Partition } from '../../core/graph/index.js'
import { type Tensors } from '../../core/tensor.js'

export type RunPartition = (partition: Partition, feeds: Tensors) => Promise<Tensors>

/** Runs a model once in ONNX Runtime, on what it takes of `feeds`. */
export async function runModel(model: Uint8Array, feeds: Tensors): Promise<Tensors> {
  const session = await openSession(model)
  try {
    return await session.run(pick(feeds, session.inputNames))
  } finally {
    await session.release()
  }
}

/**
 * Runs partitions one after the other. Each stage has nothing but what the stage before it sends: a tensor that
 * `receives`, `carries` or `sends` forget is missing here.
 * @param run  runs a partition on its inputs; in a session of its own unless given
 * @param onSend  told of what each partition sends
 */
export async function runChain(
  partitions: readonly Partition[],
  feeds: Tensors,
  run: RunPartition = runPartition,
  onSend: (sent: Tensors, partition: Partition) => void = () => {},
): Promise<Tensors> {
  let arriving = feeds
  for (const partition of partitions) {
    const { receives, carries, sends } = partition
    const received = pick(arriving, receives)
    const fed = pick(received, takenBy(partition))
    arriving = pick({ ...pick(received, carries), ...(await run(partition, fed)) }, sends)
    onSend(arriving, partition)
  }
  return arriving
}

/** As a stage does: with what its operator set cannot convert converted beside it. */
async function runPartition({ model, ...wiring }: Partition, feeds: Tensors): Promise<Tensors> {
  const session = await openWired(model, wiring)
  try {
    return await session.run(pick(feeds, session.inputNames))
  } finally {
    await session.release()
  }
}

/** What it takes of what arrives: for what is converted beside its model, what crossed in its place. */
function takenBy({ inputs, decodes }: Partition): string[] {
  const beside = new Map(decodes.filter(one => one.beside).map(({ value, tensors }) => [value, tensors]))
  return inputs.flatMap(({ name }) => beside.get(name) ?? [name])
}

function pick(tensors: Tensors, names: readonly string[]): Tensors {
  return Object.fromEntries(
    names.map(name => {
      const found = Object.hasOwn(tensors, name) ? tensors[name] : undefined
      if (found === undefined) throw new Error(`'${name}' did not arrive`)
      return [name, found]
    }),
  )
}
