import { type GraphProto, type NodeProto, type TensorProto } from '../../graph/proto/onnx_pb.js'
import { dtypeOf } from '../../graph/types.js'
import { int64s } from '../../graph/weights.js'
import { elementCount } from '../../tensor.js'

/** A float32 tensor that the graph holds. */
export interface Parameter {
  /** As its reader sees it. */
  readonly dims: readonly number[]
  /** As it is held: under another name and with other dims where a `Reshape` stands between. */
  readonly stored: { readonly name: string; readonly dims: readonly number[] }
  /** It says nothing: all its elements are equal. */
  readonly constant: boolean
}

/**
 * Every float32 initializer and `ConstantOfShape` of a known shape, and these reshaped, by name; of more than one
 * element.
 */
export function parametersOf(graph: GraphProto): Map<string, Parameter> {
  const shapes = integersOf(graph)
  const parameters = new Map<string, Parameter>()
  const add = (name: string, dims: readonly number[], constant: boolean) => {
    if (elementCount(dims) > 1) parameters.set(name, { dims, constant, stored: { name, dims } })
  }
  for (const tensor of graph.initializer) {
    if (dtypeOf(tensor.dataType) !== 'float32' || tensor.externalData.length > 0) continue
    add(tensor.name, tensor.dims.map(Number), allEqual(tensor))
  }
  for (const node of graph.node) {
    const [input = '', shape = ''] = node.input
    const [output = ''] = node.output
    const dims = isConstantOfShape(node) ? shapes.get(input) : undefined
    if (dims) add(output, dims, true)
    const [source, to] = [parameters.get(input), shapes.get(shape)]
    if (isReshape(node) && source && to)
      parameters.set(output, { ...source, dims: reshaped(source.dims, to) })
  }
  return parameters
}

export function isReshape(node: NodeProto): boolean {
  return node.opType === 'Reshape' && node.domain === ''
}

/** 0 keeps a dim, -1 takes what is left. */
function reshaped(from: readonly number[], to: readonly number[]): number[] {
  const dims = to.map((dim, i) => (dim === 0 ? (from[i] ?? 0) : dim))
  const known = elementCount(dims.filter(dim => dim !== -1))
  return dims.map(dim => (dim === -1 ? elementCount(from) / known : dim))
}

/** Of float32, the type where no value is given. */
export function isConstantOfShape(node: NodeProto): boolean {
  if (node.opType !== 'ConstantOfShape' || node.domain !== '') return false
  const value = node.attribute.find(attribute => attribute.name === 'value')?.t
  return value === undefined || dtypeOf(value.dataType) === 'float32'
}

/** The int64 tensors that the graph holds, by name. */
function integersOf(graph: GraphProto): Map<string, number[]> {
  const constants = graph.node.flatMap(node => {
    const tensor =
      node.opType === 'Constant' ? node.attribute.find(({ name }) => name === 'value')?.t : undefined
    return tensor ? [[node.output[0] ?? '', tensor] as const] : []
  })
  const tensors = [...graph.initializer.map(tensor => [tensor.name, tensor] as const), ...constants]
  return new Map(
    tensors
      .filter(([, { dataType }]) => dtypeOf(dataType) === 'int64')
      .map(([name, tensor]) => [name, int64s(tensor).map(Number)]),
  )
}

function allEqual({ floatData, rawData }: TensorProto): boolean {
  if (floatData.length > 0) return floatData.every(value => value === floatData[0])
  return rawData.every((byte, i) => byte === rawData[i & 3])
}
