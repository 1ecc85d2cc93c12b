import { type GraphNode } from './graph.js'
import { TensorProto_DataType as DataType } from './proto/onnx_pb.js'

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
  ['Sum', ['LayerNormalization', 'SkipLayerNormalization', ...ACTIVATIONS]],
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
  ['Erf', { before: ['Div', 'Mul', 'Add'], after: ['Add', 'Mul', 'Mul', 'Mul'] }],
  [
    'Sqrt',
    {
      before: ['Add', 'ReduceMean', 'Pow', 'Mul', 'Sub', 'ReduceMean'],
      after: ['Div', 'Reciprocal', 'Mul', 'Add'],
    },
  ],
])

/** What scales an input of integers before anything else is done with it. */
const SCALINGS = new Set(['Mul', 'Add', 'Sub', 'Div'])
/** Operators that are left out of a model, unless a cut makes their result an output. */
const LEFT_OUT = new Set(['Dropout', 'Identity'])

/**
 * Positions inside what would be fused.
 *
 * A residual sum is fused into the convolution before it, and not where its shortcut entered the part; nor are the sums of
 * the blocks after it, until one has a convolution in its shortcut. That costs a cut between two blocks as much as one
 * inside a block, over which the shortcut goes beside what the block has made so far: it is for a planner to weigh.
 *
 * An input of integers that is cast to float32 and scaled stands with the node after that: a cut there would send four
 * times the bytes of pixels, and save next to nothing.
 */
export function fusedPositions(nodes: readonly GraphNode[], outputs: ReadonlySet<string>): Set<number> {
  const graph = new Neighbours(nodes, outputs)
  const fused = new Set<number>()
  for (const [place, node] of nodes.entries()) {
    for (const reader of graph.soleReaders(place))
      if (isPair(node, nodes[reader])) markBetween(fused, place, reader)
    for (const scaling of graph.scalings(place)) fused.add(scaling + 1)
    const pattern = CENTRES.get(node.opType)
    if (pattern === undefined) continue
    const around = [
      ...graph.walk(place, pattern.before, 'before'),
      ...graph.walk(place, pattern.after, 'after'),
    ]
    const first = around.reduce((one, other) => Math.min(one, other), place)
    const last = around.reduce((one, other) => Math.max(one, other), place)
    markBetween(fused, first, last)
  }
  return fused
}

function isPair(first: GraphNode, second: GraphNode | undefined): boolean {
  if (second === undefined || first.domain !== '') return false
  if (LEFT_OUT.has(first.opType)) return true
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

  /** Where `place` casts an input of the model to float32, it and what scales that, one after the other. */
  scalings(place: number): number[] {
    const found: number[] = []
    let next: number | undefined = this.castsInput(place) ? place : undefined
    while (next !== undefined) {
      found.push(next)
      next = this.soleReaders(next).find(reader => this.scales(reader))
    }
    return found
  }

  private castsInput(place: number): boolean {
    const node = this.nodes[place]
    if (node?.opType !== 'Cast' || node.reads.some(value => this.producers.has(value))) return false
    return node.proto.attribute.some(({ name, i }) => name === 'to' && i === BigInt(DataType.FLOAT))
  }

  /** Whether it does so by constants. */
  private scales(place: number): boolean {
    const node = this.nodes[place]
    if (node === undefined || !SCALINGS.has(node.opType)) return false
    return node.reads.filter(value => this.producers.has(value)).length === 1
  }

  /** All nodes of the named kinds that are reached from `place` through nodes of these kinds only, each kind once. */
  walk(place: number, kinds: readonly string[], direction: 'before' | 'after'): ReadonlySet<number> {
    const reached = new Set<number>()
    let front = new Set([place])
    for (const kind of kinds) {
      const next = new Set<number>()
      for (const one of front) {
        for (const other of this.neighbours(one, direction))
          if (this.nodes[other]?.opType === kind && !reached.has(other)) next.add(other)
      }
      // A kind that is not there is passed over.
      if (next.size > 0) front = next
      for (const other of next) reached.add(other)
    }
    return reached
  }

  private neighbours(place: number, direction: 'before' | 'after'): number[] {
    const node = this.nodes[place]
    if (node === undefined) return []
    return direction === 'before'
      ? node.reads.map(value => this.producers.get(value)).filter(other => other !== undefined)
      : node.gives.flatMap(value => this.readers.get(value) ?? [])
  }
}
