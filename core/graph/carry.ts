import {
  type GraphProto,
  type NodeProto,
  type TensorProto,
  TensorProto_DataType as DataType,
  type ValueInfoProto,
} from './proto/onnx_pb.js'
import { bodiesOf } from './subgraphs.js'
import { elementObstacle, obstacle } from './types.js'

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
/** Operators whose outputs are of one type, whatever their inputs are. */
const FIXED_TYPE = new Set([
  'And',
  'ArgMax',
  'ArgMin',
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
  'SequenceLength',
  'Shape',
  'Size',
  'Xor',
])
/** Operators that take a tensor out of what is none. */
const TAKES_OUT = new Set(['ConcatFromSequence', 'OptionalGetElement', 'OptionalHasElement', 'SequenceAt'])
/** Attributes that hold the element type of the output, where they are not 0. */
const TYPE_ATTRIBUTES = new Set(['to', 'dtype', 'output_dtype', 'output_datatype'])
/** The input that alone decides on the element type. */
const TYPE_INPUT = new Map([
  ['CastLike', 1],
  ['DequantizeLinear', 1],
  ['QuantizeLinear', 2],
])

/** The kind of what cannot be carried, such as bfloat16 or sequence, by the name of the value. */
export type Obstacles = ReadonlyMap<string, string>

/**
 * Values that onnxruntime-node cannot carry, and what they are: as the file says, or as follows from the operators where
 * it says nothing.
 * @param nodes  in topological order, constants among them
 */
export function carryObstacles(
  nodes: readonly NodeProto[],
  initializers: Iterable<TensorProto>,
  valueInfos: ReadonlyMap<string, ValueInfoProto>,
  outer: Obstacles = new Map(),
): Obstacles {
  const obstacles = new Map(outer)
  const set = (value: string, what: string | undefined) =>
    what === undefined ? obstacles.delete(value) : obstacles.set(value, what)
  for (const { name, dataType } of initializers) set(name, elementObstacle(dataType))
  for (const [name, info] of valueInfos) if (info.type !== undefined) set(name, obstacle(info))
  for (const node of nodes) {
    const kinds = kindsOf(node, obstacles)
    for (const [i, value] of node.output.entries())
      if (valueInfos.get(value)?.type === undefined) set(value, kinds(i))
  }
  return obstacles
}

/** What keeps each output of a node from being carried, as far as the node tells. */
function kindsOf(node: NodeProto, obstacles: Obstacles): (output: number) => string | undefined {
  const bodies = bodiesOf(node)
  if (bodies.length === 0) return () => kindOf(node, obstacles)
  const given = bodies.map(body => bodyKinds(node, body, obstacles))
  return output => given.map(kinds => kinds[output]).find(kind => kind !== undefined)
}

/** What the body of an `If`, `Loop` or `Scan` gives, by output of that operator. */
function bodyKinds(node: NodeProto, body: GraphProto, outer: Obstacles): (string | undefined)[] {
  const infos = new Map(
    [...body.valueInfo, ...body.input, ...body.output].map(info => [info.name, info] as const),
  )
  const seen = new Map(outer)
  for (const [i, { name }] of body.input.entries()) {
    const kind = outer.get(node.input[i] ?? '')
    if (kind !== undefined) seen.set(name, kind)
  }
  const inside = carryObstacles(body.node, body.initializer, infos, seen)
  const kinds = body.output.map(({ name }) => inside.get(name))
  // The first output of a Loop's body says whether to go on.
  return node.opType === 'Loop' ? kinds.slice(1) : kinds
}

function kindOf(node: NodeProto, obstacles: Obstacles): string | undefined {
  const { opType, attribute, input } = node
  const none = GIVES_NO_TENSOR.get(opType)
  if (none !== undefined || FIXED_TYPE.has(opType) || TAKES_OUT.has(opType)) return none
  if (opType === 'Constant' || opType === 'ConstantOfShape') {
    return elementObstacle(attribute.find(({ name }) => name === 'value')?.t?.dataType ?? DataType.FLOAT)
  }
  const stated = attribute.find(({ name, i }) => TYPE_ATTRIBUTES.has(name) && i !== 0n)
  if (stated !== undefined) return elementObstacle(Number(stated.i))
  const deciding = TYPE_INPUT.get(opType)
  if (deciding !== undefined) return obstacles.get(input[deciding] ?? '')
  return input.map(value => obstacles.get(value)).find(what => what !== undefined)
}
