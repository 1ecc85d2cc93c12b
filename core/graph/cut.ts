import { MillraceError } from '../errors.js'
import { type TensorSpec } from '../tensor.js'
import { type Assembly, assemblyOf, fileOf, LARGEST_FILE_BYTES } from './assemble.js'
import { type Graph, type GraphNode } from './graph.js'
import { partGraph, weightBytes } from './part.js'
import { type ValueInfoProto } from './proto/onnx_pb.js'
import { infoOf, specOf } from './types.js'

/** A part of a graph: a stand-alone ONNX model, and what travels through its stage. */
export interface Partition {
  /** A new copy each time, at most 2 GiB: all parts of a large model are more than a machine may hold at once. */
  readonly model: Uint8Array<ArrayBuffer>
  /** What the model takes and gives. */
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  /** Tensors that arrive, and that leave: what crosses the positions at its ends. */
  readonly receives: readonly string[]
  readonly sends: readonly string[]
  /** Tensors that leave as they arrived, because something later needs them. */
  readonly carries: readonly string[]
  /** Nodes, constants not counted. */
  readonly operators: number
  /** Bytes of its constants at their true width. */
  readonly weightBytes: number
}

/** Nodes [from, to) of a graph, and what enters and leaves them. */
interface Section {
  readonly nodes: readonly GraphNode[]
  readonly receives: readonly string[]
  readonly sends: readonly string[]
}

/**
 * Splits `graph` at `cuts` into stand-alone ONNX models.
 * @param cuts  positions, strictly increasing
 * @param specs  types of values that the file is silent about; see `completeSpecs`
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
  return crossings.slice(1).map((sends, i) => {
    const nodes = graph.nodes.slice(ends[i], ends[i + 1])
    return partitionOf(graph, { nodes, receives: crossings[i] ?? [], sends }, specs, i)
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

function partitionOf(
  graph: Graph,
  section: Section,
  specs: ReadonlyMap<string, TensorSpec>,
  index: number,
): Partition {
  const { nodes, receives, sends } = section
  const arriving = new Set(receives)
  const read = new Set(nodes.flatMap(node => node.reads))
  const taken = receives.filter(value => read.has(value))
  const given = sends.filter(value => !arriving.has(value))
  const typed = (value: string) => infoFor(graph, specs, value)
  const part = partGraph(graph, nodes, taken.map(typed), given.map(typed), index)
  const constants = part.node.slice(0, part.node.length - nodes.length).map(({ output }) => output[0] ?? '')
  const file = checkSize(graph, assemblyOf(graph.model, part, graph.outside), index)
  return {
    get model() {
      return fileOf(file)
    },
    inputs: taken.map(value => specFor(typed(value))),
    outputs: given.map(value => specFor(typed(value))),
    receives,
    sends,
    carries: sends.filter(value => arriving.has(value)),
    operators: nodes.length,
    weightBytes: weightBytes(graph, part, constants),
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
