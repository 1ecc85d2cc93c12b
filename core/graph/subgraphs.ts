import { type GraphProto, type NodeProto } from './proto/onnx_pb.js'

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
  const own = new Set([
    ...body.input.map(({ name }) => name),
    ...body.initializer.map(({ name }) => name),
    ...body.sparseInitializer.map(({ values }) => values?.name ?? ''),
    ...body.node.flatMap(({ output }) => output),
  ])
  const used = [
    ...body.node.flatMap(node => [...node.input, ...outerReads(node)]),
    ...body.output.map(({ name }) => name),
  ]
  return used.filter(name => name !== '' && !own.has(name))
}
