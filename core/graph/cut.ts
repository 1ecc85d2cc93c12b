import { MillraceError } from '../errors.js'
import { type TensorSpec } from '../tensor.js'
import { channelsOf, type Coding, type Wire } from '../wire.js'
import { type Assembly, assemblyOf, fileOf, LARGEST_FILE_BYTES } from './assemble.js'
import { type Graph, type GraphNode } from './graph.js'
import { partGraph, weightBytes } from './part.js'
import { type ValueInfoProto } from './proto/onnx_pb.js'
import { infoOf, specOf } from './types.js'
import { type ConversionEnd, decodingNodes, encodingNodes } from './conversion-nodes.js'
import { codedSpecs, type Form, formsOf, nativeConversions, ownOpset } from './wire.js'

/** A part of a graph: a stand-alone ONNX model, and what travels through its stage. */
export interface Partition {
  /** A new copy each time, at most 2 GiB: all parts of a large model are more than a machine may hold at once. */
  readonly model: Uint8Array<ArrayBuffer>
  /** What the model takes and gives. */
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  /** Tensors that arrive, and that leave: what crosses the positions at its ends, each in the form in which it crosses. */
  readonly receives: readonly string[]
  readonly sends: readonly string[]
  /** Tensors that leave as they arrived, because something later needs them. */
  readonly carries: readonly string[]
  /** What the float32 tensors leave as, but for the model's own inputs and outputs. */
  readonly wire: Wire
  /** Tensors that it takes, and that it makes, which cross in another form. */
  readonly decodes: readonly Coding[]
  readonly encodes: readonly Coding[]
  /** Nodes, constants and conversions not counted. */
  readonly operators: number
  /** Bytes of its constants at their true width. */
  readonly weightBytes: number
}

/** What a graph is cut by. */
interface Cutting {
  readonly graph: Graph
  /** What the file, or who asked for the cut, says of a value. */
  readonly typed: (value: string) => ValueInfoProto
  readonly formOf: (value: string) => Form | undefined
}

/** Nodes [from, to) of a graph, and the values that enter and leave them. */
interface Section {
  readonly nodes: readonly GraphNode[]
  readonly receives: readonly string[]
  readonly sends: readonly string[]
}

/**
 * Splits `graph` at `cuts` into stand-alone ONNX models. A tensor that crosses in another form is converted once, by the
 * part that makes it; parts that only hand it on hand it on so, and each that reads it converts it back.
 * @param cuts  positions, strictly increasing
 * @param specs  types of values that the file is silent about; see `completeSpecs`
 * @param wire  what float32 tensors cross cuts as, or what those cross as that are first sent over each of the cuts; the
 *   model's own inputs and outputs stay as they are
 * @returns one more partition than cuts; run one after the other, each on what the one before sends, they give what the
 *   graph gives
 * @throws GRAPH_CUT_INVALID (not retryable): a cut is not a position, not in order, not cuttable, or crossed by a value of
 *   unknown type; MODEL_UNSUPPORTED: a part would be larger than 2 GiB
 * Source: DEFER §III (layer partitions), generalised to several crossing tensors
 */
export function cutGraph(
  graph: Graph,
  cuts: readonly number[],
  specs: ReadonlyMap<string, TensorSpec> = new Map(),
  wire: Wire | readonly Wire[] = 'f32',
): Partition[] {
  checkCuts(graph, cuts)
  const outputs = graph.outputs.map(({ name }) => name)
  const used = new Set([...graph.nodes.flatMap(({ reads }) => reads), ...outputs])
  const ends = [0, ...cuts, graph.nodes.length]
  const crossings = [
    graph.inputs.map(({ name }) => name).filter(name => used.has(name)),
    ...cuts.map(cut => graph.positions[cut - 1]?.crossing ?? []),
    outputs,
  ]
  const typed = (value: string) => infoFor(graph, specs, value)
  const cutting = {
    graph,
    typed,
    formOf: formsOf(graph, wiresOf(graph, cuts, wire), value => specFor(typed(value))),
  }
  return crossings.slice(1).map((sends, i) => {
    const nodes = graph.nodes.slice(ends[i], ends[i + 1])
    return partitionOf(cutting, { nodes, receives: crossings[i] ?? [], sends }, i)
  })
}

function wiresOf(
  { positions }: Graph,
  cuts: readonly number[],
  wire: Wire | readonly Wire[],
): (value: string) => Wire {
  if (typeof wire === 'string') return () => wire
  const first = new Map<string, Wire>()
  for (const [i, cut] of cuts.entries()) {
    for (const value of positions[cut - 1]?.crossing ?? []) {
      if (!first.has(value)) first.set(value, wire[i] ?? 'f32')
    }
  }
  return value => first.get(value) ?? 'f32'
}

/** A value that lossy wires carry in another form. */
export interface CodedValue {
  readonly value: string
  /** How many of them have scales of their own on wire u8c; 0: the value has one. */
  readonly channels: number
}

/** The values that lossy wires carry in another form, by the cuts that they cross. */
export function floatsAcross(
  graph: Graph,
  cuts: readonly number[],
  specs: ReadonlyMap<string, TensorSpec>,
): CodedValue[][] {
  const typeOf = (value: string) => specFor(infoFor(graph, specs, value))
  const formOf = formsOf(graph, () => 'f16', typeOf)
  return cuts.map(cut => {
    const crossing = graph.positions[cut - 1]?.crossing ?? []
    const coded = crossing.filter(value => formOf(value) !== undefined)
    return coded.map(value => ({ value, channels: channelsOf(typeOf(value).dims) }))
  })
}

function checkCuts(graph: Graph, cuts: readonly number[]): void {
  for (const [i, cut] of cuts.entries()) {
    const problem = cutProblem(graph, cut, cuts[i - 1] ?? 0)
    if (problem !== undefined)
      throw new MillraceError('GRAPH_CUT_INVALID', `${graph.title}: position ${cut} ${problem}`)
  }
}

function cutProblem({ positions }: Graph, cut: number, before: number): string | undefined {
  const position = positions[cut - 1]
  if (positions.length === 0) return 'does not exist: the graph has no position to be cut at'
  if (position === undefined) return `is not between 1 and ${positions.length}`
  return cut <= before ? 'does not come after the one before it' : position.reason
}

function partitionOf(cutting: Cutting, section: Section, index: number): Partition {
  const { graph, typed, formOf } = cutting
  const { receives, sends } = section
  const arriving = new Set(receives)
  const read = new Set(section.nodes.flatMap(node => node.reads))
  const decodes = codingsOf(cutting, receives, value => read.has(value), 'decodes')
  const encodes = codingsOf(cutting, sends, value => !arriving.has(value), 'encodes')
  const inputs = receives.filter(value => read.has(value)).flatMap(infosOf(typed, decodes))
  const outputs = sends.filter(value => !arriving.has(value)).flatMap(infosOf(typed, encodes))
  const nodes = [
    ...decodes.filter(({ beside }) => !beside).flatMap(decodingNodes),
    ...section.nodes,
    ...encodes
      .filter(({ beside }) => !beside)
      .flatMap(coding => encodingNodes(coding, endOf(cutting, coding))),
  ]
  const part = partGraph(graph, nodes, inputs, outputs, index)
  const constants = part.node.slice(0, part.node.length - nodes.length).map(({ output }) => output[0] ?? '')
  const file = checkSize(graph, assemblyOf(graph.model, part, graph.outside), index)
  const crossing = (values: readonly string[]) => values.flatMap(value => formOf(value)?.tensors ?? [value])
  return {
    get model() {
      return fileOf(file)
    },
    inputs: inputs.map(specFor),
    outputs: outputs.map(specFor),
    receives: crossing(receives),
    sends: crossing(sends),
    carries: crossing(sends.filter(value => arriving.has(value))),
    wire: sends.map(formOf).find(form => form !== undefined)?.wire ?? 'f32',
    ...{ decodes, encodes },
    operators: section.nodes.length,
    weightBytes: weightBytes(graph, part, constants),
  }
}

function endOf({ graph, typed }: Cutting, { value }: Coding): ConversionEnd {
  return { rank: specFor(typed(value)).dims.length, opset: ownOpset(graph.model) }
}

/** Those of `values` that cross in another form, as far as `concerned` says. */
function codingsOf(
  { graph, formOf }: Cutting,
  values: readonly string[],
  concerned: (value: string) => boolean,
  end: 'decodes' | 'encodes',
): Coding[] {
  return values.filter(concerned).flatMap(value => {
    const form = formOf(value)
    if (form === undefined) return []
    return [{ ...form, tensors: [...form.tensors], beside: !nativeConversions(graph, form.wire)[end] }]
  })
}

/** What a part's model takes or gives for a value: what crosses in its place, where its model converts. */
function infosOf(
  typed: (value: string) => ValueInfoProto,
  codings: readonly Coding[],
): (value: string) => ValueInfoProto[] {
  const native = new Map(codings.filter(({ beside }) => !beside).map(coding => [coding.value, coding]))
  return value => {
    const coding = native.get(value)
    return coding === undefined ? [typed(value)] : codedSpecs(coding, specFor(typed(value))).map(infoOf)
  }
}

/** @throws MODEL_UNSUPPORTED */
function checkSize({ title }: Graph, file: Assembly, index: number): Assembly {
  if (file.byteLength <= LARGEST_FILE_BYTES) return file
  throw new MillraceError(
    'MODEL_UNSUPPORTED',
    `part ${index} of ${title} would be a file of ${file.byteLength} bytes, and none may be above ${LARGEST_FILE_BYTES}: ask for more partitions`,
  )
}

function infoFor(graph: Graph, specs: ReadonlyMap<string, TensorSpec>, value: string): ValueInfoProto {
  const info = graph.valueInfos.get(value)
  if (info !== undefined && specOf(info) !== undefined) return info
  const spec = specs.get(value)
  if (spec !== undefined) return infoOf(spec)
  throw new MillraceError(
    'GRAPH_CUT_INVALID',
    `${graph.title}: the file does not tell the type of '${value}', which crosses a cut; completeSpecs finds it`,
  )
}

function specFor(info: ValueInfoProto): TensorSpec {
  const spec = specOf(info)
  if (spec === undefined)
    throw new MillraceError('GRAPH_CUT_INVALID', `the type of '${info.name}' is unknown`)
  return spec
}
