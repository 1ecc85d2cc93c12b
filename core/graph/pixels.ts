import { create, fromBinary } from '@bufbuild/protobuf'
import { MillraceError } from '../errors.js'
import { type PixelScaling } from '../sensing/index.js'
import { type TensorSpec } from '../tensor.js'
import { assemble } from './assemble.js'
import { changed } from './message.js'
import { operator } from './operator.js'
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  TensorProto_DataType as DataType,
  TensorProtoSchema,
  type ValueInfoProto,
} from './proto/onnx_pb.js'
import { readsOf, withReads } from './subgraphs.js'
import { infoOf, specOf } from './types.js'
import { namesIn } from './wire.js'

/** The first version of ONNX's own operators in which sums and products take constants of other dims. */
const BROADCASTS_FROM = 7n

/**
 * A model whose float32 inputs, some of them, take uint8 under the same name and with the same dims: it casts and scales
 * them itself, right before the first node that reads them. All else is as it was; external data stays where it is.
 * @param bytes  what `readGraph` takes
 * @param title  names the model in messages
 * @param scalings  by the inputs' names
 * @throws MODEL_UNSUPPORTED: its operator set is below 7, such an input is an output too, or the file would be larger than
 *   2 GiB
 */
export function withPixelInputs(
  bytes: Uint8Array,
  title: string,
  scalings: ReadonlyMap<string, PixelScaling>,
): Uint8Array<ArrayBuffer> {
  const model = fromBinary(ModelProtoSchema, bytes)
  if (model.graph === undefined) throw new MillraceError('MODEL_INVALID', `${title} has no graph`)
  checkOpset(model, title)
  const taken = namesIn(model.graph)
  const graph = [...scalings].reduce(
    (before, [name, scaling]) => withPixels(before, { name, scaling, taken, title }),
    model.graph,
  )
  return assemble(model, graph)
}

/** @throws MODEL_UNSUPPORTED */
function checkOpset({ opsetImport }: ModelProto, title: string): void {
  const own = opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx')
  if (own === undefined || own.version >= BROADCASTS_FROM) return
  const least = `ONNX Runtime has no sums and products below ${BROADCASTS_FROM}`
  throw new MillraceError(
    'MODEL_UNSUPPORTED',
    `${title} is of operator set ${own.version}, and cannot scale pixels itself: ${least}`,
  )
}

interface Change {
  readonly name: string
  readonly scaling: PixelScaling
  readonly taken: ReadonlySet<string>
  readonly title: string
}

function withPixels(graph: GraphProto, { name, scaling, taken, title }: Change): GraphProto {
  const info = graph.input.find(input => input.name === name)
  const spec = info === undefined ? undefined : specOf(info)
  if (spec === undefined) return graph
  if (graph.output.some(output => output.name === name))
    throw new MillraceError(
      'MODEL_UNSUPPORTED',
      `${title}: input '${name}' is an output too, and stays as it is`,
    )
  const made = scalingNodes(spec, scaling, taken)
  const readers = new Set(graph.node.filter(node => readsOf(node).includes(name)))
  const [first] = readers
  const renamed = new Map([[name, made.value]])
  return changed(graph, {
    input: graph.input.map(input => (input === info ? ofPixels(input) : input)),
    node: graph.node.flatMap(node => [
      ...(node === first ? made.nodes : []),
      readers.has(node) ? withReads(node, renamed) : node,
    ]),
    valueInfo: [...graph.valueInfo, ...made.floats.map(float => infoOf({ ...spec, name: float }))],
  })
}

/** The same input with elements of uint8. */
function ofPixels(info: ValueInfoProto): ValueInfoProto {
  const { type } = info
  if (type?.value.case !== 'tensorType') return info
  const value = changed(type.value.value, { elemType: DataType.UINT8 })
  return changed(info, { type: changed(type, { value: { case: 'tensorType', value } }) })
}

interface ScalingNodes {
  readonly nodes: readonly NodeProto[]
  /** What they give in the end, and all that they give which is no constant. */
  readonly value: string
  readonly floats: readonly string[]
}

/** A cast, a product and a sum; without those that would change nothing. */
function scalingNodes(spec: TensorSpec, scaling: PixelScaling, taken: ReadonlySet<string>): ScalingNodes {
  const { factors, addends, axis } = scaling
  const base = baseFor(spec.name, taken)
  // Constants are spread over the dims behind their own.
  const dims = axis === undefined ? [] : spec.dims.slice(axis).map((_, i) => (i === 0 ? factors.length : 1))
  const steps = [
    { opType: 'Mul', end: 'scaled', values: factors, isNeeded: factors.some(factor => factor !== 1) },
    { opType: 'Add', end: 'shifted', values: addends, isNeeded: addends.some(addend => addend !== 0) },
  ]
  const floats = [`${base}.float`]
  const nodes = [operator('Cast', [spec.name], floats, { to: DataType.FLOAT }).proto]
  for (const { opType, end, values } of steps.filter(({ isNeeded }) => isNeeded)) {
    const constant = `${base}.${end}.by`
    const [before, after] = [floats.at(-1) ?? '', `${base}.${end}`]
    nodes.push(constantNode(constant, dims, values), operator(opType, [before, constant], [after]).proto)
    floats.push(after)
  }
  return { nodes, value: floats.at(-1) ?? '', floats }
}

function baseFor(name: string, taken: ReadonlySet<string>): string {
  let base = `${name}#pixels`
  while ([...taken].some(other => other.startsWith(`${base}.`))) base += '#'
  return base
}

/** A node, since files of old versions list initializers among the inputs. */
function constantNode(name: string, dims: readonly number[], values: readonly number[]): NodeProto {
  const t = create(TensorProtoSchema, {
    dataType: DataType.FLOAT,
    dims: dims.map(BigInt),
    floatData: [...values],
  })
  const value = create(AttributeProtoSchema, { name: 'value', type: AttributeType.TENSOR, t })
  return create(NodeProtoSchema, { opType: 'Constant', name, output: [name], attribute: [value] })
}
