import { create } from '@bufbuild/protobuf'
import { assemble, assemblePieces, type LateBytes } from '../graph/assemble.js'
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  type TensorProto,
  TensorProtoSchema,
} from '../graph/proto/onnx_pb.js'
import { changed } from '../graph/message.js'
import { elemTypeOf } from '../graph/types.js'
import { elementCount } from '../tensor.js'

/** A float32 initializer whose values are made when they are written, piece by piece. */
export interface Filled {
  readonly name: string
  readonly dims: readonly number[]
  pieces(): Iterable<Float32Array>
}

/**
 * `model` with these initializers added, as a file.
 * @throws MODEL_UNSUPPORTED: the file would be larger than 2 GiB
 */
export function writeModel(model: ModelProto, filled: readonly Filled[]): Uint8Array {
  return assemble(model, ...joined(model, filled))
}

/**
 * The same piece by piece, so that it is not held as a whole.
 * @throws MODEL_UNSUPPORTED: the file would be larger than 2 GiB
 */
export function modelPieces(model: ModelProto, filled: readonly Filled[]): Iterable<Uint8Array> {
  return assemblePieces(model, ...joined(model, filled))
}

function joined(
  { graph = create(GraphProtoSchema) }: ModelProto,
  filled: readonly Filled[],
): [GraphProto, ReadonlyMap<TensorProto, LateBytes>] {
  const late = new Map(filled.map(lateTensor))
  return [changed(graph, { initializer: [...graph.initializer, ...late.keys()] }), late]
}

function lateTensor(filled: Filled): [TensorProto, LateBytes] {
  const { name, dims } = filled
  return [
    create(TensorProtoSchema, { name, dims: dims.map(BigInt), dataType: elemTypeOf('float32') }),
    { byteLength: 4 * elementCount(dims), pieces: () => bytesOf(filled) },
  ]
}

function* bytesOf(filled: Filled): Generator<Uint8Array> {
  for (const { buffer, byteOffset, byteLength } of filled.pieces())
    yield new Uint8Array(buffer, byteOffset, byteLength)
}
