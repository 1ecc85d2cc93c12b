import fc from 'fast-check'
import { type NodeProto, type TensorProto } from '../../core/graph/proto/onnx_pb.js'
import { floats, type ModelParts, node, value } from './onnx-builder.js'

const DIMS = [2, 3, 5, 5]

/** One operator: its kind, and which of the values before it it reads. */
interface Step {
  readonly kind: (typeof KINDS)[number]
  readonly reads: readonly [number, number]
  readonly weight: number
}

const KINDS = ['Add', 'Mul', 'Relu', 'Tanh', 'Concat', 'Conv', 'Constant', 'Split'] as const

export interface GraphPlan {
  readonly inputs: number
  readonly steps: readonly Step[]
  readonly outputs: readonly number[]
  /** Where the file lists the nodes: any order is a graph. */
  readonly order: readonly number[]
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...KINDS),
  reads: fc.tuple(fc.nat(), fc.nat()),
  weight: fc.nat(2),
})

/** What a random graph is made of. */
export const graphPlan: fc.Arbitrary<GraphPlan> = fc.record({
  inputs: fc.integer({ min: 1, max: 3 }),
  steps: fc.array(step, { minLength: 2, maxLength: 14 }),
  outputs: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
  order: fc.array(fc.nat(), { minLength: 14, maxLength: 14 }),
})

/** A model of values that all have the same dims, so that any may be read by any operator. */
export function randomModel({ inputs, steps, outputs, order }: GraphPlan, typed: boolean): ModelParts {
  const values = Array.from({ length: inputs }, (_, i) => `in${i}`)
  const groups: NodeProto[][] = []
  const initializers = [floats('k0', DIMS), floats('k1', [3, 1, 1]), floats('k2', [])]
  initializers.push(...[0, 1, 2].map(i => floats(`w${i}`, [3, i === 2 ? 6 : 3, 3, 3], undefined, 0.2)))
  for (const [i, one] of steps.entries()) {
    const [a, b] = one.reads.map(read => values[read % values.length] ?? '')
    groups.push(nodesOf(one, a ?? '', b ?? '', `v${i}`))
    values.push(`v${i}`)
  }
  // The last value is always an output, so that there is something to do.
  const given = new Set([values.at(-1), ...outputs.map(output => values[output % values.length])])
  const shuffled = groups
    .map((group, i) => ({ group, at: order[i] ?? 0 }))
    .sort((one, other) => one.at - other.at)
    .flatMap(({ group }) => group)
  return {
    inputs: values.slice(0, inputs).map(name => value(name, 'FLOAT', DIMS)),
    outputs: [...given].filter(name => name !== undefined).map(name => value(name, 'FLOAT', DIMS)),
    nodes: shuffled,
    values: typed
      ? values
          .slice(inputs)
          .map(name => value(name, 'FLOAT', DIMS))
          .filter(({ name }) => !given.has(name))
      : [],
    initializers: initializers satisfies TensorProto[],
  }
}

function nodesOf({ kind, weight }: Step, a: string, b: string, output: string): NodeProto[] {
  const pads = { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }
  switch (kind) {
    case 'Relu':
    case 'Tanh':
      return [node(kind, [a], [output])]
    case 'Add':
      return [node('Add', [a, b], [output])]
    case 'Mul':
      return [node('Mul', [a, `k${weight}`], [output])]
    case 'Conv':
      return [node('Conv', [a, `w${weight % 2}`], [output], pads)]
    case 'Concat':
      return [
        node('Concat', [a, b], [`${output}c`], { axis: 1 }),
        node('Conv', [`${output}c`, 'w2'], [output], pads),
      ]
    case 'Constant':
      return [node('Neg', [`k${weight}`], [`${output}k`]), node('Add', [a, `${output}k`], [output])]
    case 'Split':
      return [
        node('Split', [a], [`${output}p`, `${output}q`, `${output}r`], { axis: 1 }),
        node('Concat', [`${output}r`, `${output}p`, `${output}q`], [output], { axis: 1 }),
      ]
  }
}
