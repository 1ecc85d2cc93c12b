import { type GraphNode } from './graph.js'

const ACTIVATIONS = ['Relu', 'Clip', 'LeakyRelu', 'Sigmoid', 'Tanh', 'HardSigmoid', 'HardSwish', 'Elu']
const CONVOLUTIONS = ['Conv', 'FusedConv', 'ConvTranspose']

/**
 * Operators that ONNX Runtime's CPU optimizer makes one of when the second alone reads what the first gives; shape
 * arithmetic stands with them, because it is cheap and a cut there would send what is known already.
 * Source: ONNX Runtime's graph optimizers, levels basic and extended, and its NCHWc layout transformer
 */
const PAIRS = new Map<string, readonly string[]>([
  ...CONVOLUTIONS.map((op): [string, string[]] => [
    op,
    ['BatchNormalization', 'Add', 'Sum', 'Mul', 'Sub', ...ACTIVATIONS],
  ]),
  ['BatchNormalization', ['Add', 'Sum', ...ACTIVATIONS]],
  ['Pad', ['Conv', 'MaxPool', 'AveragePool']],
  ['Gemm', [...ACTIVATIONS, 'Add', 'BatchNormalization', 'Softplus', 'Softsign']],
  ['MatMul', ['Add', 'Mul', 'Div', ...ACTIVATIONS, 'BatchNormalization', 'Reshape']],
  ['Transpose', ['MatMul', 'Transpose']],
  ['Add', ['LayerNormalization', 'SkipLayerNormalization', 'Relu', 'Gelu', 'Softmax', 'Reshape']],
  ['Div', ['Add', 'Softmax', 'MatMul']],
  ['Mul', ['Add', 'Softmax', 'MatMul']],
  ['Reshape', ['Transpose', 'Reshape']],
  ['Softmax', ['MatMul', 'Dropout']],
  ['DequantizeLinear', []],
  ['Shape', ['Gather', 'Slice', 'Cast', 'Concat', 'Squeeze']],
  ['Gather', ['Unsqueeze', 'Concat', 'Mul', 'Cast']],
  ['Unsqueeze', ['Concat', 'Mul', 'Cast']],
  ['Slice', ['Concat', 'Squeeze']],
  ['Squeeze', ['Unsqueeze', 'Concat']],
  ['Cast', ['Unsqueeze', 'Concat', 'Reshape']],
  ['Concat', ['Reshape', 'Expand', 'ConstantOfShape', 'Resize']],
])

/** Operators in the middle of a pattern of many: all within so many steps before and after them belongs together. */
const CENTRES = new Map([
  ['Erf', { before: ['Div', 'Mul'], after: ['Add', 'Mul', 'Mul', 'Mul'] }],
  [
    'Sqrt',
    {
      before: ['Add', 'ReduceMean', 'Pow', 'Mul', 'Sub', 'ReduceMean'],
      after: ['Div', 'Reciprocal', 'Mul', 'Add'],
    },
  ],
])

/** Positions inside what would be fused. A residual sum counts: it is fused into the convolution before it. */
export function fusedPositions(nodes: readonly GraphNode[], outputs: ReadonlySet<string>): Set<number> {
  const graph = new Neighbours(nodes, outputs)
  const fused = new Set<number>()
  for (const [place, node] of nodes.entries()) {
    for (const reader of graph.soleReaders(place))
      if (isPair(node, nodes[reader])) markBetween(fused, place, reader)
    const pattern = CENTRES.get(node.opType)
    if (pattern === undefined) continue
    const first = Math.min(place, ...graph.walk(place, pattern.before, 'before'))
    const last = Math.max(place, ...graph.walk(place, pattern.after, 'after'))
    markBetween(fused, first, last)
  }
  return fused
}

function isPair(first: GraphNode, second: GraphNode | undefined): boolean {
  if (second === undefined || first.domain !== '') return false
  if (second.opType === 'QuantizeLinear' || first.opType === 'DequantizeLinear') return true
  return PAIRS.get(first.opType)?.includes(second.opType) ?? false
}

function markBetween(fused: Set<number>, first: number, last: number): void {
  for (let index = first + 1; index <= last; index++) fused.add(index)
}

class Neighbours {
  private readonly producers = new Map<string, number>()
  private readonly readers = new Map<string, number[]>()

  constructor(
    private readonly nodes: readonly GraphNode[],
    private readonly outputs: ReadonlySet<string>,
  ) {
    for (const [place, node] of nodes.entries()) {
      for (const value of node.gives) this.producers.set(value, place)
      for (const value of node.reads) this.readers.set(value, [...(this.readers.get(value) ?? []), place])
    }
  }

  /** Nodes that alone read a value which `place` gives. */
  soleReaders(place: number): number[] {
    return (this.nodes[place]?.gives ?? []).flatMap(value => {
      const readers = this.readers.get(value) ?? []
      return readers.length === 1 && !this.outputs.has(value) ? readers : []
    })
  }

  /** All nodes of the named kinds that are reached from `place` through nodes of these kinds only, each kind once. */
  walk(place: number, kinds: readonly string[], direction: 'before' | 'after'): number[] {
    const [kind, ...rest] = kinds
    if (kind === undefined) return []
    const next = this.neighbours(place, direction).filter(other => this.nodes[other]?.opType === kind)
    const further =
      next.length > 0 ? next.flatMap(other => [other, ...this.walk(other, rest, direction)]) : []
    return further.length > 0 ? further : this.walk(place, rest, direction)
  }

  private neighbours(place: number, direction: 'before' | 'after'): number[] {
    const node = this.nodes[place]
    if (node === undefined) return []
    return direction === 'before'
      ? node.reads.map(value => this.producers.get(value)).filter(other => other !== undefined)
      : node.gives.flatMap(value => this.readers.get(value) ?? [])
  }
}
