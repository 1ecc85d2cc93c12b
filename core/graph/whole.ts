import { MillraceError } from '../errors.js'
import { assemble } from './assemble.js'
import { type Graph } from './graph.js'
import { changed } from './message.js'
import { type GraphProto, type ValueInfoProto } from './proto/onnx_pb.js'

/**
 * The file of the whole graph, with whatever external data it had in it.
 * @throws MODEL_UNSUPPORTED: it would be larger than 2 GiB
 */
export function graphFile(graph: Graph): Uint8Array<ArrayBuffer> {
  return assemble(graph.model, wholeGraph(graph), graph.outside)
}

/** The file of the whole graph, with `values` among its outputs. Large external data stays where it is. */
export function withOutputs(graph: Graph, values: readonly ValueInfoProto[]): Uint8Array<ArrayBuffer> {
  const whole = wholeGraph(graph)
  return assemble(graph.model, changed(whole, { output: [...whole.output, ...values] }))
}

export function wholeGraph({ model, title }: Graph): GraphProto {
  if (model.graph === undefined) throw new MillraceError('MODEL_INVALID', `${title} has no graph`)
  return model.graph
}
