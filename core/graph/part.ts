import { type Graph, type GraphNode } from './graph.js'
import { changed } from './message.js'
import { type GraphProto, type ValueInfoProto } from './proto/onnx_pb.js'
import { constantBytes, storedBytes } from './weights.js'
import { wholeGraph } from './whole.js'

/** `nodes` as a graph of their own, with the constants that they read, and only these. */
export function partGraph(
  graph: Graph,
  nodes: readonly GraphNode[],
  inputs: readonly ValueInfoProto[],
  outputs: readonly ValueInfoProto[],
  index: number,
): GraphProto {
  const whole = wholeGraph(graph)
  const boundary = new Set([...inputs, ...outputs].map(({ name }) => name))
  const read = [...nodes.flatMap(({ reads }) => reads), ...boundary]
  const here = new Set([...read, ...nodes.flatMap(({ gives }) => gives)])
  const quantizationAnnotation = whole.quantizationAnnotation.filter(({ tensorName }) => here.has(tensorName))
  const parameters = quantizationAnnotation.flatMap(annotation => annotation.quantParameterTensorNames)
  const needed = [...read, ...parameters.map(({ value }) => value)]
  const { constantNodes, initializers } = constantsFor(graph, needed)
  const inside = new Set([...constantNodes, ...nodes].flatMap(({ gives }) => gives))
  return changed(whole, {
    name: `${whole.name}/${index}`,
    node: [...constantNodes, ...nodes].map(({ proto }) => proto),
    // A file of IR 3 lists its initializers among the inputs too.
    input: [...inputs, ...whole.input.filter(({ name }) => initializers.has(name))],
    output: [...outputs],
    valueInfo: whole.valueInfo.filter(({ name }) => inside.has(name) && !boundary.has(name)),
    initializer: whole.initializer.filter(({ name }) => initializers.has(name)),
    sparseInitializer: whole.sparseInitializer.filter(({ values }) => initializers.has(values?.name ?? '')),
    quantizationAnnotation,
  })
}

/** The constant nodes and the names of the initializers that `values` come from, in the order of the file. */
function constantsFor(
  graph: Graph,
  values: readonly string[],
): { constantNodes: readonly GraphNode[]; initializers: ReadonlySet<string> } {
  const wanted = new Set<GraphNode>()
  const initializers = new Set<string>()
  const stack = [...values]
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (graph.initializers.has(value) || graph.sparseInitializers.has(value)) initializers.add(value)
    const node = graph.constantNodes.get(value)
    if (node === undefined || wanted.has(node)) continue
    wanted.add(node)
    stack.push(...node.reads)
  }
  const inOrder = new Set(graph.constantNodes.values())
  return { constantNodes: [...inOrder].filter(node => wanted.has(node)), initializers }
}

/**
 * Bytes of the constants of a part at their true width.
 * @param constants  for each constant node in it, one value that it gives
 */
export function weightBytes(graph: Graph, part: GraphProto, constants: readonly string[]): number {
  const stored = part.initializer.reduce((sum, tensor) => sum + storedBytes(tensor), 0)
  return constants.reduce((sum, value) => {
    const node = graph.constantNodes.get(value)
    return sum + (node === undefined ? 0 : constantBytes(node, graph.initializers, graph.constantNodes))
  }, stored)
}
