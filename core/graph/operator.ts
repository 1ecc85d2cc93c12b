import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { type GraphNode } from './graph.js'
import {
  AttributeProto_AttributeType as AttributeType,
  type AttributeProtoSchema,
  NodeProtoSchema,
} from './proto/onnx_pb.js'

/** Of an attribute: whole numbers, unless it says otherwise. */
type Attribute = number | readonly number[] | { readonly float: number }

/** A node of ONNX's own operators, named after what it gives first. */
export function operator(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
): GraphNode {
  const name = output[0] ?? ''
  const attribute = Object.entries(attributes).map(([name, given]) => ({ name, ...attributeOf(given) }))
  const proto = create(NodeProtoSchema, {
    ...{ opType, name, attribute },
    ...{ input: [...input], output: [...output] },
  })
  return { opType, domain: '', name, reads: input, gives: output, proto }
}

function attributeOf(given: Attribute): MessageInitShape<typeof AttributeProtoSchema> {
  if (typeof given === 'number') return { type: AttributeType.INT, i: BigInt(given) }
  return 'float' in given
    ? { type: AttributeType.FLOAT, f: given.float }
    : { type: AttributeType.INTS, ints: given.map(BigInt) }
}
