import { type TensorSpec } from '../tensor.js'
import { channelsOf, type Coding, type LossyWire, type Wire, wireFor } from '../wire.js'
import { type Graph } from './graph.js'
import { type GraphProto } from './proto/onnx_pb.js'
import { bodiesOf } from './subgraphs.js'
import { wholeGraph } from './whole.js'

/** A coding without the question of who carries it out, which is another one at either end. */
export type Form = Omit<Coding, 'beside'>

/** How the names end of the values between the operators, after that of what crosses. */
export const INNER = [
  ...['.step', '.sum', '.nan'],
  ...[
    '.axes',
    '.lowest',
    '.highest',
    '.negated',
    '.depth',
    '.height',
    '.range',
    '.levels',
    '.ratio',
    '.least',
  ],
] as const

/** The version of ONNX's own operator set that first has what a conversion needs. */
const ENCODES_FROM: Readonly<Record<LossyWire, number>> = { f16: 6, u8c: 13, u8: 11 }
const DECODES_FROM: Readonly<Record<LossyWire, number>> = { f16: 6, u8c: 13, u8: 10 }

/** Whether a graph's own operator set can convert to a wire, and back. */
export function nativeConversions(
  { model }: Pick<Graph, 'model'>,
  wire: LossyWire,
): { encodes: boolean; decodes: boolean } {
  const version = ownOpset(model)
  return { encodes: version >= ENCODES_FROM[wire], decodes: version >= DECODES_FROM[wire] }
}

/** The version of ONNX's own operator set; 0 where a model has none of it. */
export function ownOpset({ opsetImport }: Pick<Graph['model'], 'opsetImport'>): number {
  const own = opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx')
  return Number(own?.version ?? 0)
}

/**
 * What a graph's values travel as. The model's own inputs and outputs stay as they are, and so does what is no float32.
 * @param wireOf  what it is to cross cuts as, if it is float32
 * @param specOf  the type of a value
 * @returns undefined for a value that stays as it is; the same each time for one that does not
 */
export function formsOf(
  graph: Graph,
  wireOf: (value: string) => Wire,
  specOf: (value: string) => TensorSpec,
): (value: string) => Form | undefined {
  const kept = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name))
  const taken = namesIn(wholeGraph(graph))
  const known = new Map<string, Form>()
  return value => {
    const wire = kept.has(value) ? 'f32' : wireOf(value)
    const spec = wire === 'f32' ? undefined : specOf(value)
    if (wire === 'f32' || spec?.dtype !== 'float32') return undefined
    const form = known.get(value) ?? formOf(spec, value, wire, taken)
    known.set(value, form)
    return form
  }
}

function formOf({ dims }: TensorSpec, value: string, asked: LossyWire, taken: ReadonlySet<string>): Form {
  const wire = wireFor(asked, dims)
  return { value, wire, tensors: namesOf(value, wire, taken) }
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

/** Of all values, at any depth. */
export function namesIn(graph: GraphProto): Set<string> {
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
  const each = wire === 'u8c' ? [channelsOf(dims) || null] : []
  return [
    { name: coded, dtype: 'uint8', dims },
    { name: scale, dtype: 'float32', dims: each },
    { name: zero, dtype: 'uint8', dims: each },
  ]
}
