import { assemble } from './assemble.js'
import { type Graph } from './graph.js'
import { changed } from './message.js'
import { type NodeProto } from './proto/onnx_pb.js'
import { wholeGraph } from './whole.js'

/**
 * The file of the whole graph, in which every node's name is `nodeTag` of its place among `graph.nodes`. A name in a file
 * may be missing, be there twice, or be like those that ONNX Runtime makes up for what it puts in.
 * @throws MODEL_UNSUPPORTED: it would be larger than 2 GiB
 */
export function taggedFile(graph: Graph): Uint8Array<ArrayBuffer> {
  const tags = new Map<NodeProto, string>(graph.nodes.map(({ proto }, place) => [proto, nodeTag(place)]))
  const whole = wholeGraph(graph)
  const node = whole.node.map(proto => {
    const name = tags.get(proto)
    return name === undefined ? proto : changed(proto, { name })
  })
  return assemble(graph.model, changed(whole, { node }), graph.outside)
}

function nodeTag(place: number): string {
  return `mr#${place}#`
}

/** The place of the last node whose tag is in `text`, such as a name that ONNX Runtime made of nodes' names. */
export function placeInTag(text: string): number | undefined {
  const last = [...text.matchAll(/mr#(\d+)#/g)].at(-1)?.[1]
  return last === undefined ? undefined : Number(last)
}
