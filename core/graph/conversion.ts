import { create } from '@bufbuild/protobuf'
import { type TensorSpec } from '../tensor.js'
import { type LossyWire } from '../wire.js'
import { assemble } from './assemble.js'
import { GraphProtoSchema, ModelProtoSchema } from './proto/onnx_pb.js'
import { infoOf } from './types.js'
import { decodingNodes, encodingNodes } from './conversion-nodes.js'
import { codedSpecs, type Form } from './wire.js'

/** A model that does nothing but convert one float32 tensor, of the dims of `foldedFor`, to a wire or back. */
export interface Conversion {
  readonly model: Uint8Array<ArrayBuffer>
  /** Names of the tensor, and of what crosses in its place, in the order of `Coding.tensors`. */
  readonly value: string
  readonly tensors: readonly string[]
}

/** The version of the format that goes with opset 17. */
const IR_VERSION = 8n
const OPSET = 17
/** Batch, channels and all else. */
const FOLDED_RANK = 3

/** The dims in which a tensor is converted: what is one for all of it, as a list; what differs by channel, with those apart. */
export function foldedFor(wire: LossyWire, dims: readonly number[]): number[] {
  const countOf = (some: readonly number[]) => some.reduce((product, dim) => product * dim, 1)
  if (wire !== 'u8c') return [countOf(dims)]
  const [batch = 1, channels = 1, ...others] = dims
  return [batch, channels, countOf(others)]
}

/** For a part whose operator set cannot convert: a model's opset is never raised. */
export function conversionOf(direction: 'encode' | 'decode', wire: LossyWire): Conversion {
  const rank = wire === 'u8c' ? FOLDED_RANK : 1
  const dims = Array.from({ length: rank }, () => null)
  const value: TensorSpec = { name: 'value', dtype: 'float32', dims }
  const form: Form = {
    ...{ value: value.name, wire },
    tensors: wire === 'f16' ? ['coded'] : ['coded', 'scale', 'zero'],
  }
  const coded = codedSpecs(form, value).map(infoOf)
  const plain = [infoOf(value)]
  const encodes = direction === 'encode'
  const graph = create(GraphProtoSchema, {
    name: `${direction} ${wire}`,
    node: (encodes ? encodingNodes(form, { rank, opset: OPSET }) : decodingNodes(form)).map(
      ({ proto }) => proto,
    ),
    input: encodes ? plain : coded,
    output: encodes ? coded : plain,
  })
  const opsetImport = [{ domain: '', version: BigInt(OPSET) }]
  const model = create(ModelProtoSchema, { irVersion: IR_VERSION, producerName: 'millrace', opsetImport })
  return { model: assemble(model, graph), value: form.value, tensors: form.tensors }
}
