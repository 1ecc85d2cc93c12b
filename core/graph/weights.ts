import { DTYPES } from '../tensor.js'
import { type GraphNode } from './graph.js'
import { type TensorProto } from './proto/onnx_pb.js'
import { dtypeOf } from './types.js'

/** Bytes that the elements of a stored tensor take at their true width; of strings, their UTF-8. */
export function storedBytes(tensor: TensorProto): number {
  const dtype = dtypeOf(tensor.dataType)
  if (dtype === 'string') return tensor.stringData.reduce((sum, text) => sum + text.byteLength, 0)
  const elements = tensor.dims.reduce((product, dim) => product * Number(dim), 1)
  return dtype === undefined ? tensor.rawData.byteLength : (elements * DTYPES[dtype].bits) / 8
}

/** Bytes that a constant node makes when the model is loaded; 0 where that takes more than a look. */
export function constantBytes(
  { opType, proto }: GraphNode,
  initializers: ReadonlyMap<string, TensorProto>,
  constants: ReadonlyMap<string, GraphNode>,
): number {
  const value = proto.attribute.find(({ name }) => name === 'value')?.t
  if (opType === 'Constant') return value === undefined ? 0 : storedBytes(value)
  if (opType !== 'ConstantOfShape') return 0
  const source = proto.input[0] ?? ''
  const shape =
    initializers.get(source) ?? constants.get(source)?.proto.attribute.find(({ t }) => t !== undefined)?.t
  const elements = shape === undefined ? [] : int64s(shape)
  const dtype = value === undefined ? 'float32' : dtypeOf(value.dataType)
  const bits = dtype === undefined || dtype === 'string' ? 0 : DTYPES[dtype].bits
  return (elements.reduce((product, dim) => product * Number(dim), 1) * bits) / 8
}

/** The elements of an int64 tensor, wherever the file keeps them. */
export function int64s({ int64Data, rawData }: TensorProto): bigint[] {
  if (int64Data.length > 0) return int64Data
  const copy = new Uint8Array(rawData)
  return [...new BigInt64Array(copy.buffer, 0, Math.floor(copy.byteLength / 8))]
}
