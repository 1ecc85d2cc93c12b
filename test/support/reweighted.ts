import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { ModelProtoSchema, type TensorProto } from '../../core/graph/proto/onnx_pb.js'

/** The type of tensors of float32, in the words of ONNX. */
const FLOAT = 1

/** A model like another, whose weights of two dims or more are so many times as large. */
export function reweighted(model: Uint8Array, factor: number): Uint8Array {
  const proto = fromBinary(ModelProtoSchema, model)
  const weights = proto.graph?.initializer.filter(
    ({ dataType, dims }) => dataType === FLOAT && dims.length > 1,
  )
  for (const weight of weights ?? []) scale(weight, factor)
  return toBinary(ModelProtoSchema, proto)
}

/** The raw bytes are a view into the file that was read. */
function scale(tensor: TensorProto, factor: number): void {
  const raw = new Float32Array(Uint8Array.from(tensor.rawData).buffer)
  tensor.rawData = new Uint8Array(raw.map(one => one * factor).buffer)
  tensor.floatData = tensor.floatData.map(one => one * factor)
}
