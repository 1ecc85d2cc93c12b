import { fromBinary } from '@bufbuild/protobuf'
import { MillraceError, messageOf } from '../../errors.js'
import {
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
} from '../../graph/proto/onnx_pb.js'
import { outerReads } from '../../graph/subgraphs.js'
import { infoOf } from '../../graph/types.js'
import { randomOf } from '../random.js'
import { isConstantOfShape, isReshape, type Parameter, parametersOf } from './constants.js'
import { BIAS_MEAN, fillParameter, fillWeights } from './fill.js'
import { type Moments, momentsAfter, STANDARD } from './moments.js'
import { fanInOf, isLinear, type Slot, slotsOf } from './roles.js'
import { type Filled, writeModel } from '../write-model.js'

/** Until this version of the format, initializers are listed among the graph's inputs. */
const LAST_IR_WITH_LISTED_INITIALIZERS = 3n

/**
 * Replaces weights that say nothing - `ConstantOfShape` nodes of a known shape, and float32 initializers of more than
 * one element that are all equal - by seeded random ones, so that different frames get different answers that stay
 * in range. Only parameters of Conv, ConvTranspose, Gemm, MatMul, of normalisations, PRelu and Gather, and the bias
 * or scale after a linear layer are replaced; what feeds anything else as well stays, and so do subgraphs. A layer
 * that gets new weights gets new biases, and the batch normalisation after it new statistics. The same seed gives
 * the same file; a model whose layers all have weights that differ comes back as it is.
 * @param model  an ONNX file
 * @returns an ONNX file without those `ConstantOfShape` nodes; as large as the weights, which take 4 bytes each
 * @throws MODEL_INVALID: it is not an ONNX file; MODEL_UNSUPPORTED: the result would be larger than 2 GB
 */
export function randomWeights(model: Uint8Array, seed: number): Uint8Array {
  const decoded = decode(model)
  const { graph } = decoded
  if (!graph) throw new MillraceError('MODEL_INVALID', 'the ONNX file has no graph')
  const filled = fillGraph(graph, seed)
  if (filled.length === 0) return model
  const names = new Set(filled.map(({ name }) => name))
  graph.initializer = graph.initializer.filter(({ name }) => !names.has(name))
  graph.node = graph.node.filter(node => !(isConstantOfShape(node) && names.has(node.output[0] ?? '')))
  dropUnused(graph)
  if (decoded.irVersion <= LAST_IR_WITH_LISTED_INITIALIZERS) listAsInputs(graph, filled)
  return writeModel(decoded, filled)
}

function decode(model: Uint8Array): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, model)
  } catch (error) {
    throw new MillraceError('MODEL_INVALID', `not an ONNX file: ${messageOf(error)}`, { cause: error })
  }
}

/** Walks the graph in its order, which ONNX demands to be topological, with the moments of what each node reads. */
function fillGraph(graph: GraphProto, seed: number): Filled[] {
  const parameters = parametersOf(graph)
  const producers = new Map(graph.node.flatMap(node => node.output.map(output => [output, node] as const)))
  if (!graph.node.some(node => isBlank(slotsOf(node, producers).filter(isWeight), parameters))) return []
  const kept = keptNames(graph, parameters, producers)
  const moments = new Map<string, Moments>()
  const renewed = new Set<NodeProto>()
  const filled = new Map<string, Filled>()
  for (const node of graph.node) {
    const slots = slotsOf(node, producers).filter(slot => !kept.has(storedName(slot.name, parameters)))
    const inputs = dataInputs(node, parameters).map(name => moments.get(name) ?? STANDARD)
    const renews = isBlank(slots, parameters) || follows(node, renewed, producers)
    if (renews) renewed.add(node)
    for (const slot of renews ? slots : []) {
      const parameter = parameters.get(slot.name)
      if (!parameter || filled.has(parameter.stored.name)) continue
      const tensor = fill(node, slot, parameter, inputs[0] ?? STANDARD, seed)
      if (tensor) filled.set(tensor.name, tensor)
    }
    const made = momentsMade(node, inputs, renews && slots.some(({ role }) => role === 'bias'))
    for (const output of node.output) moments.set(output, made)
  }
  return [...filled.values()]
}

/** @param biased  the node has got new biases */
function momentsMade(node: NodeProto, inputs: readonly Moments[], biased: boolean): Moments {
  const layer = isLinear(node) || isNormalisation(node)
  const { mean, variance } = layer ? STANDARD : momentsAfter(node, inputs)
  return { mean: biased ? mean + BIAS_MEAN : mean, variance }
}

/** Whether a node's parameters say nothing: its weights decide where there are some; biases of 0 are nothing unusual. */
function isBlank(slots: readonly Slot[], parameters: ReadonlyMap<string, Parameter>): boolean {
  const weights = slots.filter(isWeight)
  return (weights.length > 0 ? weights : slots).some(({ name }) => parameters.get(name)?.constant)
}

function isWeight({ role }: Slot): boolean {
  return role === 'weight' || role === 'table'
}

/** A batch normalisation holds the statistics of the layer before it. */
function follows(
  node: NodeProto,
  renewed: ReadonlySet<NodeProto>,
  producers: ReadonlyMap<string, NodeProto>,
): boolean {
  const before = producers.get(node.input[0] ?? '')
  return node.opType === 'BatchNormalization' && before !== undefined && renewed.has(before)
}

function isNormalisation({ opType }: NodeProto): boolean {
  return opType.endsWith('Normalization') && opType !== 'LpNormalization'
}

function dataInputs(node: NodeProto, parameters: ReadonlyMap<string, Parameter>): string[] {
  return node.input.filter(name => name !== '' && !parameters.has(name))
}

function fill(
  node: NodeProto,
  { role }: Slot,
  parameter: Parameter,
  input: Moments,
  seed: number,
): Filled | undefined {
  const { dims, stored } = parameter
  const random = () => randomOf('weights', seed, stored.name)
  if (role !== 'weight') return { ...stored, pieces: () => [fillParameter(role, dims, input, random())] }
  const fanIn = fanInOf(node, dims)
  return fanIn && { ...stored, pieces: () => [fillWeights(dims, fanIn, input, random())] }
}

function storedName(name: string, parameters: ReadonlyMap<string, Parameter>): string {
  return parameters.get(name)?.stored.name ?? name
}

/** Parameters that something else than a layer reads: subgraphs, arithmetic, the graph's own outputs. */
function keptNames(
  graph: GraphProto,
  parameters: ReadonlyMap<string, Parameter>,
  producers: ReadonlyMap<string, NodeProto>,
): Set<string> {
  const read = graph.output.map(({ name }) => name)
  for (const node of graph.node) {
    const slots = new Set(slotsOf(node, producers).map(({ name }) => name))
    const reshaped = isReshape(node) && parameters.has(node.output[0] ?? '') ? node.input[0] : undefined
    read.push(...node.input.filter(name => !slots.has(name) && name !== reshaped), ...outerReads(node))
  }
  return new Set(read.map(name => storedName(name, parameters)))
}

/** Drops shapes that only the replaced nodes read. */
function dropUnused(graph: GraphProto): void {
  const read = new Set(graph.output.map(({ name }) => name))
  for (const node of graph.node) for (const name of [...node.input, ...outerReads(node)]) read.add(name)
  const dropped = new Set(graph.initializer.map(({ name }) => name).filter(name => !read.has(name)))
  graph.initializer = graph.initializer.filter(({ name }) => !dropped.has(name))
  graph.input = graph.input.filter(({ name }) => !dropped.has(name))
}

function listAsInputs(graph: GraphProto, filled: readonly Filled[]): void {
  const listed = new Set(graph.input.map(({ name }) => name))
  const added = filled.filter(({ name }) => !listed.has(name))
  graph.input.push(...added.map(({ name, dims }) => infoOf({ name, dtype: 'float32', dims })))
}
