import { create } from '@bufbuild/protobuf'
import { byteLength, type Tensors, tensorsBytes, type TensorSpec } from '../tensor.js'
import { type Graph } from './graph.js'
import { ValueInfoProtoSchema } from './proto/onnx_pb.js'
import { type RunModel } from './specs.js'
import { specOf } from './types.js'
import { withOutputs } from './whole.js'

/**
 * Bytes of all tensors that come from outside, cross a cuttable position or leave, for one frame. What the file does not
 * tell is found by one run of the whole model.
 * @throws what `run` throws
 */
export async function tensorSizes(
  graph: Graph,
  run: RunModel,
  feeds: Tensors,
): Promise<ReadonlyMap<string, number>> {
  const cuttable = graph.positions.filter(position => position.cuttable)
  const outputs = graph.outputs.map(({ name }) => name)
  const names = new Set([...Object.keys(feeds), ...cuttable.flatMap(({ crossing }) => crossing), ...outputs])
  const known = [...names].flatMap(name => {
    const bytes = staticBytes(graph, name)
    return bytes === undefined ? [] : [[name, bytes] as const]
  })
  const sizes = new Map(known)
  const unknown = [...names].filter(name => !sizes.has(name))
  if (unknown.length === 0) return sizes
  const added = unknown.filter(name => !(name in feeds) && !outputs.includes(name))
  const model = withOutputs(
    graph,
    added.map(name => create(ValueInfoProtoSchema, { name })),
  )
  const tensors = { ...feeds, ...(await run(model, feeds)) }
  for (const name of unknown) {
    const value = tensors[name]
    if (value !== undefined) sizes.set(name, tensorsBytes({ [name]: value }))
  }
  return sizes
}

/** Undefined where the file does not say, or leaves a dim free. */
function staticBytes(graph: Graph, name: string): number | undefined {
  const info = graph.valueInfos.get(name)
  const spec = info === undefined ? undefined : specOf(info)
  if (spec === undefined || spec.dtype === 'string' || !isFixed(spec)) return undefined
  return byteLength(spec.dtype, spec.dims)
}

function isFixed(spec: TensorSpec): spec is TensorSpec & { readonly dims: readonly number[] } {
  return spec.dims.every(dim => typeof dim === 'number')
}
