import { create } from '@bufbuild/protobuf'
import { type Tensor, type Tensors, type TensorSpec } from '../tensor.js'
import { withOutputs } from './cut.js'
import { type Graph } from './graph.js'
import { ValueInfoProtoSchema } from './proto/onnx_pb.js'
import { specOf } from './types.js'

/** Runs a whole model once. */
export type RunModel = (model: Uint8Array, feeds: Tensors) => Promise<Tensors>

/**
 * The types of the values that cross positions and that the file is silent about, found by running the model on a frame:
 * once, and where inputs have free dims a second time with other ones, to see which dims follow them.
 * @param feedsOf  a frame whose free dims all are `size`
 */
export async function completeSpecs(
  graph: Graph,
  run: RunModel,
  feedsOf: (size: number) => Tensors,
): Promise<ReadonlyMap<string, TensorSpec>> {
  const unknown = unknownValues(graph)
  if (unknown.length === 0) return new Map()
  const model = withOutputs(
    graph,
    unknown.map(name => create(ValueInfoProtoSchema, { name })),
  )
  const one = await run(model, feedsOf(1))
  const two = hasFreeDims(graph) ? await run(model, feedsOf(2)).catch(() => one) : one
  return new Map(
    unknown.flatMap(name => {
      const [a, b] = [one[name], two[name]]
      return a === undefined || b === undefined ? [] : [[name, specFrom(name, a, b)] as const]
    }),
  )
}

function unknownValues(graph: Graph): string[] {
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const crossing = new Set(
    graph.positions.filter(({ cuttable }) => cuttable).flatMap(position => position.crossing),
  )
  return [...crossing].filter(name => {
    const info = graph.valueInfos.get(name)
    return !outputs.has(name) && (info === undefined || specOf(info) === undefined)
  })
}

function hasFreeDims({ inputs }: Graph): boolean {
  return inputs.some(({ dims }) => dims.some(dim => typeof dim !== 'number'))
}

function specFrom(name: string, { dtype, dims }: Tensor, other: Tensor): TensorSpec {
  return { name, dtype, dims: dims.map((dim, i) => (dim === other.dims[i] ? dim : null)) }
}
