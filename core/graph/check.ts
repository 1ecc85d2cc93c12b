import { MillraceError } from '../errors.js'
import { type GraphNode } from './graph.js'
import {
  type GraphProto,
  type SparseTensorProto,
  type TensorProto,
  type ValueInfoProto,
} from './proto/onnx_pb.js'

/** What is there before any node has run. */
export interface Sources {
  /** What a caller gives; an input that is an initializer too is not among them. */
  readonly inputs: readonly ValueInfoProto[]
  readonly initializers: ReadonlyMap<string, TensorProto>
  readonly sparseInitializers: ReadonlyMap<string, SparseTensorProto>
  /** Of all of these. */
  readonly names: readonly string[]
}

/** @throws GRAPH_INVALID: two inputs or two initializers of one name */
export function sourcesOf(graph: GraphProto, title: string): Sources {
  const initializers = new Map(graph.initializer.map(tensor => [tensor.name, tensor]))
  const sparseInitializers = new Map(
    graph.sparseInitializer.map(sparse => [sparse.values?.name ?? '', sparse]),
  )
  const stored = [
    ...graph.initializer.map(({ name }) => name),
    ...graph.sparseInitializer.map(({ values }) => values?.name ?? ''),
  ]
  const given = graph.input.map(({ name }) => name)
  const twice = repeated(stored) ?? repeated(given)
  if (twice !== undefined)
    throw new MillraceError('GRAPH_INVALID', `${title}: value '${twice}' is given twice`)
  const isStored = new Set(stored)
  const inputs = graph.input.filter(({ name }) => !isStored.has(name))
  return {
    inputs,
    initializers,
    sparseInitializers,
    names: [...inputs.map(({ name }) => name), ...stored],
  }
}

/**
 * @param available  values that are there from the beginning
 * @throws GRAPH_INVALID: there are no outputs, or nothing gives one, or one is listed twice
 */
export function checkOutputs(
  graph: GraphProto,
  nodes: readonly GraphNode[],
  available: ReadonlySet<string>,
  title: string,
): void {
  const outputs = graph.output.map(({ name }) => name)
  const given = new Set(nodes.flatMap(({ gives }) => gives))
  const missing = outputs.find(name => !given.has(name) && !available.has(name))
  const twice = repeated(outputs)
  const problem =
    missing !== undefined
      ? `nothing gives output '${missing}'`
      : twice !== undefined
        ? `output '${twice}' is listed twice`
        : outputs.length === 0
          ? 'the graph has no outputs'
          : undefined
  if (problem !== undefined) throw new MillraceError('GRAPH_INVALID', `${title}: ${problem}`)
}

function repeated(names: readonly string[]): string | undefined {
  return names.length === new Set(names).size ? undefined : names.find((name, i) => names.indexOf(name) < i)
}
