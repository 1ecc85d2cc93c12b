import { create } from '@bufbuild/protobuf'
import { type Tensors, type TensorSpec } from '../tensor.js'
import { contentShaped } from './content-shapes.js'
import { withOutputs } from './cut.js'
import { type Graph } from './graph.js'
import { ValueInfoProtoSchema } from './proto/onnx_pb.js'
import { specOf } from './types.js'

/** Runs a whole model once. */
export type RunModel = (model: Uint8Array, feeds: Tensors) => Promise<Tensors>

/**
 * The types of the values that cross positions and that the file is silent about, found by running the model on a frame:
 * once, and where inputs have free dims a second time with other ones, to see which dims follow them. A dim that may
 * differ between frames is null; so is any of which two runs cannot tell.
 * @param feedsOf  a frame whose free dims all are `size`
 * @returns nothing for a value whose rank differs between the runs
 * @throws what `run` throws
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
  const isFree = hasFreeDims(graph)
  const one = await run(model, feedsOf(1))
  const two = isFree ? await run(model, feedsOf(2)).catch(() => one) : one
  const varying = contentShaped(graph)
  return new Map(
    unknown.flatMap(name => {
      const [a, b] = [one[name], two[name]]
      if (a === undefined || b === undefined || a.dims.length !== b.dims.length) return []
      // A dim of 1 may be a half of 1 and of 2, rounded up.
      const isFixed = (dim: number, axis: number) => dim === b.dims[axis] && !(isFree && dim === 1)
      const dims = a.dims.map((dim, axis) => (!varying.has(name) && isFixed(dim, axis) ? dim : null))
      return [[name, { name, dtype: a.dtype, dims }] as const]
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
