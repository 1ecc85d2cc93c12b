import { openSession } from '../../actors/session/index.js'
import { type Partition } from '../../core/graph/index.js'
import { type Tensors } from '../../core/tensor.js'

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
 */
export async function runChain(partitions: readonly Partition[], feeds: Tensors): Promise<Tensors> {
  let arriving = feeds
  for (const { model, inputs, receives, carries, sends } of partitions) {
    const received = pick(arriving, receives)
    const fed = pick(
      received,
      inputs.map(({ name }) => name),
    )
    arriving = pick({ ...pick(received, carries), ...(await runModel(model, fed)) }, sends)
  }
  return arriving
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
