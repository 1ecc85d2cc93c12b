import { changed } from './message.js'
import { type AttributeProto, type GraphProto, type NodeProto } from './proto/onnx_pb.js'

/** All values that a node reads, its bodies included; a value may be there twice. */
export function readsOf(node: NodeProto): string[] {
  return [...node.input, ...outerReads(node)]
}

/** The node, reading other values, its bodies too. */
export function withReads(node: NodeProto, names: ReadonlyMap<string, string>): NodeProto {
  const attributeWith = (attribute: AttributeProto) => {
    const graphs = attribute.graphs.map(body => bodyWith(body, names))
    const { g } = attribute
    return changed(attribute, g === undefined ? { graphs } : { graphs, g: bodyWith(g, names) })
  }
  return changed(node, {
    input: node.input.map(name => names.get(name) ?? name),
    attribute: bodiesOf(node).length === 0 ? node.attribute : node.attribute.map(attributeWith),
  })
}

/** A body may have a value of its own under a name from outside. */
function bodyWith(body: GraphProto, names: ReadonlyMap<string, string>): GraphProto {
  const own = ownValues(body)
  const outer = new Map([...names].filter(([name]) => !own.has(name)))
  return changed(body, {
    node: body.node.map(node => withReads(node, outer)),
    output: body.output.map(info => changed(info, { name: outer.get(info.name) ?? info.name })),
  })
}

/** Values that the bodies of `If`, `Loop` or `Scan` read from outside of themselves, at any depth. */
export function outerReads(node: NodeProto): string[] {
  return bodiesOf(node).flatMap(freeValues)
}

export function bodiesOf(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap(attribute => [
    ...(attribute.g === undefined ? [] : [attribute.g]),
    ...attribute.graphs,
  ])
}

function freeValues(body: GraphProto): string[] {
  const own = ownValues(body)
  const used = [
    ...body.node.flatMap(node => [...node.input, ...outerReads(node)]),
    ...body.output.map(({ name }) => name),
  ]
  return used.filter(name => name !== '' && !own.has(name))
}

function ownValues(body: GraphProto): Set<string> {
  return new Set([
    ...body.input.map(({ name }) => name),
    ...body.initializer.map(({ name }) => name),
    ...body.sparseInitializer.map(({ values }) => values?.name ?? ''),
    ...body.node.flatMap(({ output }) => output),
  ])
}
