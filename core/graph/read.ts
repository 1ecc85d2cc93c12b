import { fromBinary } from '@bufbuild/protobuf'
import { MillraceError, messageOf } from '../errors.js'
import { type TensorSpec } from '../tensor.js'
import { carryObstacles } from './carry.js'
import { checkOutputs, sourcesOf } from './check.js'
import { findConstants } from './constants.js'
import { type External, type ReadExternal, takeExternal } from './external.js'
import { type Graph, type GraphNode } from './graph.js'
import { neededFor, orderNodes } from './order.js'
import { findPositions } from './positions.js'
import {
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type ValueInfoProto,
} from './proto/onnx_pb.js'
import { outerReads } from './subgraphs.js'
import { obstacle, specOf } from './types.js'

export interface ReadOptions {
  /** Names the model in messages. Default 'the model'. */
  readonly name?: string
  /** Opens a file that the model refers to for its weights, by its location relative to the model. */
  readonly externalData?: ReadExternal
}

/**
 * Reads an ONNX file. Weights stay views into `bytes`; large external data stays where it is, until a part with it is
 * written.
 * @throws MODEL_INVALID: not an ONNX model; MODEL_TRUNCATED: it ends too early; MODEL_DATA_MISSING: external data cannot
 *   be read; MODEL_UNSUPPORTED: an input or output is not a tensor that can be carried, or too much crosses the
 *   positions; GRAPH_INVALID: a cycle, no outputs, or a value without a producer or with two
 */
export function readGraph(bytes: Uint8Array, options: ReadOptions = {}): Graph {
  const title = options.name ?? 'the model'
  const model = parse(bytes, title)
  return graphOf(model, title, takeExternal(model, title, options.externalData))
}

function parse(bytes: Uint8Array, title: string): ModelProto {
  let model: ModelProto
  try {
    model = fromBinary(ModelProtoSchema, bytes)
  } catch (error) {
    throw unreadable(bytes, title, error)
  }
  if (model.graph === undefined || model.opsetImport.length === 0) {
    const lacks = model.graph === undefined ? 'no graph' : 'no operator set'
    throw beginsLikeOnnx(bytes)
      ? new MillraceError('MODEL_TRUNCATED', `${title} has ${lacks}: the file ends too early`)
      : new MillraceError('MODEL_INVALID', `${title} is not an ONNX model: it has ${lacks}`)
  }
  return model
}

function unreadable(bytes: Uint8Array, title: string, error: unknown): MillraceError {
  const cause = messageOf(error)
  return /premature EOF/i.test(cause) && beginsLikeOnnx(bytes)
    ? new MillraceError(
        'MODEL_TRUNCATED',
        `${title} ends in the middle of a field, after ${bytes.byteLength} bytes`,
      )
    : new MillraceError('MODEL_INVALID', `${title} is not an ONNX model: ${cause}`, { cause: error })
}

/** Every writer begins with the IR version: field 1, a varint, and a small one. */
function beginsLikeOnnx(bytes: Uint8Array): boolean {
  return bytes[0] === 0x08 && (bytes[1] ?? 255) < 64
}

function graphOf(model: ModelProto, title: string, external: External): Graph {
  const graph = model.graph
  if (graph === undefined) throw new MillraceError('MODEL_INVALID', `${title} has no graph`)
  const sources = sourcesOf(graph, title)
  const { initializers, sparseInitializers, inputs } = sources
  const isInitializer = (name: string) => initializers.has(name) || sparseInitializers.has(name)
  const ordered = orderNodes(graph.node.map(nodeOf), sources.names, title)
  checkOutputs(graph, ordered, new Set(sources.names), title)
  const outputs = graph.output.map(({ name }) => name)
  const all = neededFor(outputs, ordered)
  const constantNodes = findConstants(all, isInitializer)
  const nodes = all.filter(node => !node.gives.some(value => constantNodes.has(value)))
  const valueInfos = collectValueInfos(graph)
  const protos = all.map(({ proto }) => proto)
  const obstacles = carryObstacles(protos, initializers.values(), valueInfos)
  const values = { title, inputs: inputs.map(({ name }) => name), outputs, obstacles }
  return {
    title,
    inputs: inputs.map(info => boundarySpec(info, 'input', title)),
    outputs: graph.output.map(info => boundarySpec(info, 'output', title)),
    nodes,
    positions: findPositions(nodes, values),
    constantNodes,
    initializers,
    sparseInitializers,
    valueInfos,
    model,
    externalFiles: external.files,
    outside: external.outside,
  }
}

function nodeOf(proto: NodeProto, place: number): GraphNode {
  return {
    opType: proto.opType,
    domain: proto.domain === 'ai.onnx' ? '' : proto.domain,
    name: proto.name === '' ? `${proto.opType}#${place}` : proto.name,
    reads: [...new Set([...proto.input, ...outerReads(proto)])].filter(name => name !== ''),
    gives: proto.output.filter(name => name !== ''),
    proto,
  }
}

function collectValueInfos(graph: GraphProto): Map<string, ValueInfoProto> {
  return new Map([...graph.valueInfo, ...graph.input, ...graph.output].map(info => [info.name, info]))
}

function boundarySpec(info: ValueInfoProto, what: string, title: string): TensorSpec {
  const spec = specOf(info)
  if (spec !== undefined) return spec
  const kind = obstacle(info)
  const problem =
    kind === undefined
      ? 'has no type or no rank in the file; export it with shape inference'
      : `is of type ${kind}, which cannot be carried`
  throw new MillraceError('MODEL_UNSUPPORTED', `${title}: ${what} '${info.name}' ${problem}`)
}
