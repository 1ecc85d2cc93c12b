import { create } from '@bufbuild/protobuf'
import { type TensorSpec } from '../tensor.js'
import { type Coding, type LossyWire, type Wire } from '../wire.js'
import { type Graph, type GraphNode } from './graph.js'
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  NodeProtoSchema,
  type NodeProto,
  TensorProto_DataType as DataType,
} from './proto/onnx_pb.js'
import { bodiesOf } from './subgraphs.js'
import { wholeGraph } from './whole.js'

/** A coding without the question of who carries it out, which is another one at either end. */
export type Form = Omit<Coding, 'beside'>

/** The version of ONNX's own operator set that first has what a conversion needs. */
const ENCODES_FROM: Readonly<Record<LossyWire, number>> = { f16: 6, u8: 11 }
const DECODES_FROM: Readonly<Record<LossyWire, number>> = { f16: 6, u8: 10 }

/** Whether a graph's own operator set can convert to a wire, and back. */
export function nativeConversions({ model }: Graph, wire: LossyWire): { encodes: boolean; decodes: boolean } {
  const own = model.opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx')
  const version = Number(own?.version ?? 0)
  return { encodes: version >= ENCODES_FROM[wire], decodes: version >= DECODES_FROM[wire] }
}

/**
 * What a graph's values travel as. The model's own inputs and outputs stay as they are, and so does what is no float32.
 * @param specOf  the type of a value
 * @returns undefined for a value that stays as it is; the same each time for one that does not
 */
export function formsOf(
  graph: Graph,
  wire: Wire,
  specOf: (value: string) => TensorSpec,
): (value: string) => Form | undefined {
  if (wire === 'f32') return () => undefined
  const kept = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name))
  const taken = namesIn(wholeGraph(graph))
  const known = new Map<string, Form>()
  return value => {
    if (kept.has(value) || specOf(value).dtype !== 'float32') return undefined
    const form = known.get(value) ?? { value, wire, tensors: namesOf(value, wire, taken) }
    known.set(value, form)
    return form
  }
}

function namesOf(value: string, wire: LossyWire, taken: ReadonlySet<string>): string[] {
  let base = `${value}#${wire}`
  while (namesFrom(base).some(name => taken.has(name))) base += '#'
  return wire === 'f16' ? [base] : [base, `${base}.scale`, `${base}.zero`]
}

/** All that a conversion may give. */
function namesFrom(base: string): string[] {
  return ['', '.scale', '.zero', ...INNER].map(end => `${base}${end}`)
}

const INNER = ['.step', '.sum', '.nan'] as const

function namesIn(graph: GraphProto): Set<string> {
  const names = new Set<string>()
  const graphs = [graph]
  for (let one = graphs.pop(); one !== undefined; one = graphs.pop()) {
    for (const { name } of [...one.input, ...one.initializer]) names.add(name)
    for (const node of one.node) {
      for (const name of [...node.input, ...node.output]) names.add(name)
      graphs.push(...bodiesOf(node))
    }
  }
  return names
}

/** The types of what crosses in place of a value of type `spec`. */
export function codedSpecs({ wire, tensors }: Form, { dims }: Pick<TensorSpec, 'dims'>): TensorSpec[] {
  const [coded = '', scale = '', zero = ''] = tensors
  if (wire === 'f16') return [{ name: coded, dtype: 'float16', dims }]
  return [
    { name: coded, dtype: 'uint8', dims },
    { name: scale, dtype: 'float32', dims: [] },
    { name: zero, dtype: 'uint8', dims: [] },
  ]
}

/**
 * The operators that make what crosses. Quantising erases NaN: where there is one in the tensor, its scale is NaN; where
 * there is an Inf, it is none of a number either. A float16 keeps both, and is Inf for what is too large.
 */
export function encodingNodes({ value, wire, tensors }: Form): GraphNode[] {
  const [coded = '', scale = '', zero = ''] = tensors
  if (wire === 'f16') return [operator('Cast', [value], [coded], { to: DataType.FLOAT16 })]
  const [step = '', sum = '', isNan = ''] = INNER.map(end => `${coded}${end}`)
  return [
    operator('DynamicQuantizeLinear', [value], [coded, step, zero]),
    // A sum of magnitudes is NaN where a term is, and nowhere else: Inf never meets its negative.
    operator('ReduceL1', [value], [sum], { keepdims: 0 }),
    operator('IsNaN', [sum], [isNan]),
    operator('Where', [isNan, sum, step], [scale]),
  ]
}

/** The operators that make a value of what crossed in its place. */
export function decodingNodes({ value, wire, tensors }: Form): GraphNode[] {
  return wire === 'f16'
    ? [operator('Cast', tensors, [value], { to: DataType.FLOAT })]
    : [operator('DequantizeLinear', tensors, [value])]
}

function operator(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  integers: Readonly<Record<string, number>> = {},
): GraphNode {
  const name = output[0] ?? ''
  const attribute = Object.entries(integers).map(([name, i]) =>
    create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(i) }),
  )
  const proto: NodeProto = create(NodeProtoSchema, {
    ...{ opType, name, attribute },
    ...{ input: [...input], output: [...output] },
  })
  return { opType, domain: '', name, reads: input, gives: output, proto }
}
