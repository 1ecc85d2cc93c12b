import { create, toBinary } from '@bufbuild/protobuf'
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataType as DataType,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type SparseTensorProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../core/graph/proto/onnx_pb.js'

/** Small ONNX models for tests, written as text-like calls: `onnxModel({ inputs: [value('x', 'FLOAT', [1, 3])], … })`. */

export type ElementType = keyof typeof DataType
export type Attribute =
  number | bigint | string | readonly number[] | readonly string[] | TensorProto | GraphProto | FloatAttribute

interface FloatAttribute {
  readonly float: number
}

/** A float attribute; plain numbers become integers. */
export function float(value: number): FloatAttribute {
  return { float: value }
}

/** The declaration of a value; without `dims` its shape is left open, without a type it is only a name. */
export function value(
  name: string,
  type?: ElementType,
  dims?: readonly (number | string | null)[],
): ValueInfoProto {
  if (type === undefined) return create(ValueInfoProtoSchema, { name })
  const dim = dims?.map(size => ({ value: dimension(size) }))
  const tensorType = { elemType: DataType[type], ...(dim === undefined ? {} : { shape: { dim } }) }
  return create(ValueInfoProtoSchema, { name, type: { value: { case: 'tensorType', value: tensorType } } })
}

function dimension(size: number | string | null) {
  if (size === null) return { case: undefined }
  return typeof size === 'string'
    ? { case: 'dimParam' as const, value: size }
    : { case: 'dimValue' as const, value: BigInt(size) }
}

/** A node; the name is that of its first output. An operator of another domain is written 'domain::Operator'. */
export function node(
  operator: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
): NodeProto {
  const [opType = '', domain = ''] = operator.split('::').reverse()
  const attribute = Object.entries(attributes).map(([name, content]) => attributeOf(name, content))
  return create(NodeProtoSchema, {
    opType,
    ...(domain === '' ? {} : { domain }),
    name: output[0] ?? '',
    input: [...input],
    output: [...output],
    attribute,
  })
}

function attributeOf(name: string, content: Attribute): AttributeProto {
  if (typeof content === 'string')
    return create(AttributeProtoSchema, {
      name,
      type: AttributeType.STRING,
      s: new TextEncoder().encode(content),
    })
  if (typeof content === 'number' || typeof content === 'bigint')
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(content) })
  if ('float' in content)
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: content.float })
  if (!('$typeName' in content)) return listAttribute(name, content)
  return content.$typeName === 'onnx.TensorProto'
    ? create(AttributeProtoSchema, { name, type: AttributeType.TENSOR, t: content })
    : create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g: content })
}

function listAttribute(name: string, content: readonly number[] | readonly string[]): AttributeProto {
  const strings = content.filter(one => typeof one === 'string')
  if (strings.length > 0) {
    const encoder = new TextEncoder()
    const encoded = strings.map(one => encoder.encode(one))
    return create(AttributeProtoSchema, { name, type: AttributeType.STRINGS, strings: encoded })
  }
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: content.map(BigInt) })
}

/** A float32 initializer; without data, seeded values in (-scale, scale). */
export function floats(
  name: string,
  dims: readonly number[],
  data?: readonly number[],
  scale = 0.5,
): TensorProto {
  const count = dims.reduce((product, dim) => product * dim, 1)
  const values = data === undefined ? noise(name, count).map(one => one * scale) : Float32Array.from(data)
  return raw(name, 'FLOAT', dims, values)
}

/** An int64 initializer; `dims` default to a vector. */
export function ints(
  name: string,
  data: readonly number[],
  dims: readonly number[] = [data.length],
): TensorProto {
  return raw(name, 'INT64', dims, BigInt64Array.from(data.map(BigInt)))
}

export function raw(
  name: string,
  type: ElementType,
  dims: readonly number[],
  data: ArrayBufferView,
): TensorProto {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
  return create(TensorProtoSchema, { name, dataType: DataType[type], dims: dims.map(BigInt), rawData })
}

/** Values in (-1, 1) that depend on `seed` alone. */
export function noise(seed: string, count: number): Float32Array {
  let state = [...seed].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) >>> 0, 7)
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  })
}

export interface GraphParts {
  readonly inputs?: readonly ValueInfoProto[]
  readonly outputs: readonly ValueInfoProto[]
  readonly nodes: readonly NodeProto[]
  readonly initializers?: readonly TensorProto[]
  readonly values?: readonly ValueInfoProto[]
  readonly sparse?: readonly SparseTensorProto[]
}

export interface ModelParts extends GraphParts {
  /** Version by domain; the standard one is ''. */
  readonly opsets?: Readonly<Record<string, number>>
  readonly irVersion?: number
  readonly functions?: readonly FunctionProto[]
}

/** A graph: the body of an `If`, `Loop` or `Scan`, or the main one. */
export function onnxGraph(parts: GraphParts, name = 'graph'): GraphProto {
  return create(GraphProtoSchema, {
    name,
    input: [...(parts.inputs ?? [])],
    output: [...parts.outputs],
    node: [...parts.nodes],
    initializer: [...(parts.initializers ?? [])],
    valueInfo: [...(parts.values ?? [])],
    sparseInitializer: [...(parts.sparse ?? [])],
  })
}

export function onnxModel(parts: ModelParts): ModelProto {
  const opsets = Object.entries(parts.opsets ?? { '': 17 })
  return create(ModelProtoSchema, {
    irVersion: BigInt(parts.irVersion ?? 8),
    producerName: 'millrace-test',
    graph: onnxGraph(parts),
    opsetImport: opsets.map(([domain, version]) => ({ domain, version: BigInt(version) })),
    functions: [...(parts.functions ?? [])],
  })
}

export function onnxBytes(parts: ModelParts | ModelProto): Uint8Array {
  return toBinary(ModelProtoSchema, '$typeName' in parts ? parts : onnxModel(parts))
}
