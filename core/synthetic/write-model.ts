import { create, toBinary } from '@bufbuild/protobuf'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { MillraceError } from '../errors.js'
import {
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  TensorProtoSchema,
} from '../graph/proto/onnx_pb.js'
import { elementCount } from '../tensor.js'

/** Field numbers of the ONNX schema. */
const MODEL_GRAPH = 7
const GRAPH_INITIALIZER = 5
const TENSOR_RAW_DATA = 9
const FLOAT = 1
/** What a protocol buffer, and so an ONNX file, can hold. */
const MOST_BYTES = 2 ** 31 - 1

/** A float32 initializer whose values are made when they are written. */
export interface Filled {
  readonly name: string
  readonly dims: readonly number[]
  values(): Float32Array
}

/**
 * `model` with these initializers added, as a file. The values go straight into it: the general writer would copy them
 * once for each message around them, and a model can be near 2 GB.
 * @throws MODEL_UNSUPPORTED: the file would be larger than 2 GB
 */
export function writeModel(model: ModelProto, filled: readonly Filled[]): Uint8Array {
  const { graph } = model
  const rest = toBinary(ModelProtoSchema, { ...model, graph: undefined })
  const known = graph ? toBinary(GraphProtoSchema, graph) : new Uint8Array()
  const heads = filled.map(headOf)
  const size =
    known.length +
    filled.reduce((sum, { dims }, i) => sum + 4 * elementCount(dims) + (heads[i]?.length ?? 0), 0)
  if (size + rest.length > MOST_BYTES - 16) {
    throw new MillraceError(
      'MODEL_UNSUPPORTED',
      `the model with its weights would take ${size} bytes, above 2 GB`,
    )
  }
  const opening = new BinaryWriter().tag(MODEL_GRAPH, WireType.LengthDelimited).uint32(size).finish()
  const out = new Uint8Array(rest.length + opening.length + size)
  let at = 0
  const append = (bytes: Uint8Array) => {
    out.set(bytes, at)
    at += bytes.length
  }
  for (const bytes of [rest, opening, known]) append(bytes)
  filled.forEach((tensor, i) => {
    append(heads[i] ?? new Uint8Array())
    append(new Uint8Array(tensor.values().buffer))
  })
  return out
}

/** All of an initializer's field that stands before its values. */
function headOf({ name, dims }: Filled): Uint8Array {
  const described = create(TensorProtoSchema, { name, dims: dims.map(BigInt), dataType: FLOAT })
  const bytes = 4 * elementCount(dims)
  const head = new BinaryWriter()
    .raw(toBinary(TensorProtoSchema, described))
    .tag(TENSOR_RAW_DATA, WireType.LengthDelimited)
    .uint32(bytes)
    .finish()
  return new BinaryWriter()
    .tag(GRAPH_INITIALIZER, WireType.LengthDelimited)
    .uint32(head.length + bytes)
    .raw(head)
    .finish()
}
