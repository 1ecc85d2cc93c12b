import { type GraphNode } from './graph.js'
import { TensorProto_DataType as DataType, type ValueInfoProto } from './proto/onnx_pb.js'
import { dtypeOf, obstacle } from './types.js'

/** Operators that give something else than tensors. */
const GIVES_NO_TENSOR = new Map([
  ['SequenceConstruct', 'sequence'],
  ['SequenceEmpty', 'sequence'],
  ['SequenceErase', 'sequence'],
  ['SequenceInsert', 'sequence'],
  ['SequenceMap', 'sequence'],
  ['SplitToSequence', 'sequence'],
  ['Optional', 'optional'],
  ['ZipMap', 'sequence of maps'],
  ['DictVectorizer', 'map'],
])
/** Operators whose outputs are of a type that does not depend on that of their inputs. */
const FIXED_TYPE = new Set([
  'And',
  'ArgMax',
  'ArgMin',
  'DequantizeLinear',
  'Equal',
  'Greater',
  'GreaterOrEqual',
  'IsInf',
  'IsNaN',
  'Less',
  'LessOrEqual',
  'NonZero',
  'Not',
  'Or',
  'QuantizeLinear',
  'SequenceLength',
  'Shape',
  'Size',
  'Xor',
])
/** Operators that take a tensor out of what is none. */
const TAKES_OUT = new Set(['ConcatFromSequence', 'OptionalGetElement', 'OptionalHasElement', 'SequenceAt'])

/**
 * Values that onnxruntime-node cannot carry, and what they are: as the file says, or as follows from the operators where
 * it says nothing.
 */
export function carryObstacles(
  nodes: readonly GraphNode[],
  valueInfos: ReadonlyMap<string, ValueInfoProto>,
): Map<string, string> {
  const obstacles = new Map<string, string>()
  for (const [name, info] of valueInfos) {
    const what = obstacle(info)
    if (what !== undefined) obstacles.set(name, what)
  }
  for (const node of nodes) {
    for (const value of node.gives) {
      const what = valueInfos.get(value)?.type === undefined ? inferred(node, obstacles) : undefined
      if (what !== undefined) obstacles.set(value, what)
    }
  }
  return obstacles
}

function inferred(node: GraphNode, obstacles: ReadonlyMap<string, string>): string | undefined {
  const { opType, reads } = node
  if (opType === 'Cast') return castObstacle(node)
  const none = GIVES_NO_TENSOR.get(opType)
  if (none !== undefined || FIXED_TYPE.has(opType) || TAKES_OUT.has(opType)) return none
  return reads.map(value => obstacles.get(value)).find(what => what !== undefined)
}

function castObstacle({ proto }: GraphNode): string | undefined {
  const to = Number(proto.attribute.find(({ name }) => name === 'to')?.i ?? 0n)
  return dtypeOf(to) === undefined ? (DataType[to] ?? `element type ${to}`).toLowerCase() : undefined
}
