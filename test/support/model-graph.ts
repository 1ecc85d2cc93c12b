import { fromBinary } from '@bufbuild/protobuf'
import { type GraphProto, ModelProtoSchema } from '../../core/graph/proto/onnx_pb.js'
import { elementCount } from '../../core/tensor.js'

export function graphOf(model: Uint8Array): GraphProto {
  const { graph } = fromBinary(ModelProtoSchema, model)
  if (!graph) throw new Error('no graph')
  return graph
}

/** Elements of the initializers, without those that are statistics and not trained. */
export function trainable(graph: GraphProto): number {
  const tensors = graph.initializer.filter(
    ({ dataType, name }) => dataType === 1 && !/norm\.(mean|variance)$/.test(name),
  )
  return tensors.reduce((sum, { dims }) => sum + elementCount(dims.map(Number)), 0)
}

export function count(graph: GraphProto, opType: string): number {
  return graph.node.filter(node => node.opType === opType).length
}

/** Dims of the operators' weights, in order. */
export function weightsOf({ node, initializer }: GraphProto, opType: string): string[] {
  const dims = new Map(initializer.map(tensor => [tensor.name, tensor.dims.join(' x ')]))
  return node.filter(node => node.opType === opType).map(({ input }) => dims.get(input[1] ?? '') ?? '')
}

/** Groups of the convolutions that have more than one. */
export function groupsOf({ node }: GraphProto): number[] {
  const groups = node.flatMap(({ attribute }) => attribute.filter(({ name }) => name === 'group'))
  return groups.map(({ i }) => Number(i)).filter(count => count > 1)
}
