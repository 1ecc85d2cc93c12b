import { type Graph, type GraphNode } from './graph.js'

/** Operators whose output dims follow from what their inputs hold. */
const BY_CONTENT = new Set([
  'BlackmanWindow',
  'Compress',
  'ConcatFromSequence',
  'ConstantOfShape',
  'HammingWindow',
  'HannWindow',
  'If',
  'ImageDecoder',
  'Loop',
  'MelWeightMatrix',
  'NonMaxSuppression',
  'NonZero',
  'OptionalGetElement',
  'Range',
  'Scan',
  'SequenceAt',
  'StringSplit',
  'Unique',
])

/** Operators that take dims, axes or sizes as inputs, and which. */
const SHAPE_INPUTS: Readonly<Record<string, readonly number[]>> = {
  AffineGrid: [1],
  CenterCropPad: [1],
  Col2Im: [1, 2],
  DFT: [1, 2],
  Expand: [1],
  MaxUnpool: [2],
  OneHot: [1],
  Pad: [1, 3],
  ReduceL1: [1],
  ReduceL2: [1],
  ReduceLogSum: [1],
  ReduceLogSumExp: [1],
  ReduceMax: [1],
  ReduceMean: [1],
  ReduceMin: [1],
  ReduceProd: [1],
  ReduceSum: [1],
  ReduceSumSquare: [1],
  Reshape: [1],
  Resize: [1, 2, 3],
  STFT: [1, 3],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Squeeze: [1],
  Tile: [1],
  TopK: [1],
  Unsqueeze: [1],
  Upsample: [1],
}

/** Domains whose operators are known; what others do to dims can be anything. */
const KNOWN_DOMAINS = new Set(['', 'ai.onnx.ml', 'com.microsoft'])

/** Whether a value's dims, and what it holds, follow from what the frame holds. */
interface Dependence {
  readonly dims: boolean
  readonly content: boolean
}

const CONSTANT: Dependence = { dims: false, content: false }

/** Values whose dims may differ between frames of the same dims. */
export function contentShaped({ inputs, nodes }: Graph): ReadonlySet<string> {
  const dependence = new Map(inputs.map(({ name }) => [name, { dims: false, content: true }]))
  for (const node of nodes) {
    const made = dependenceOf(node, name => dependence.get(name) ?? CONSTANT)
    for (const value of node.gives) dependence.set(value, made)
  }
  return new Set([...dependence].filter(([, { dims }]) => dims).map(([name]) => name))
}

function dependenceOf(
  { opType, domain, reads, proto }: GraphNode,
  of: (name: string) => Dependence,
): Dependence {
  const dims = reads.some(name => of(name).dims)
  const content = reads.some(name => of(name).content)
  if (!KNOWN_DOMAINS.has(domain) || BY_CONTENT.has(opType)) return { dims: dims || content, content }
  if (opType === 'Shape' || opType === 'Size') return { dims: false, content: dims }
  const sizes = SHAPE_INPUTS[opType] ?? []
  return { dims: dims || sizes.some(place => of(proto.input[place] ?? '').content), content }
}
