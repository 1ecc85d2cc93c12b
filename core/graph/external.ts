import { MillraceError, messageOf } from '../errors.js'
import {
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  TensorProto_DataLocation as Location,
} from './proto/onnx_pb.js'
import { dtypeOf } from './types.js'
import { storedBytes } from './weights.js'

/** Reads a whole file, by its location relative to the model: `/` between folders, none of them `..`. */
export type ReadExternal = (location: string) => Uint8Array

/**
 * Puts the weights that a file keeps outside into `model`, as views of what `read` gives; each file is read once.
 * @returns whether there were any
 * @throws MODEL_DATA_MISSING: there is no way to read them, a location leads out of the model's folder, or a file is too
 *   short
 * Source: ONNX, "External Data"
 */
export function inlineExternal(model: ModelProto, title: string, read: ReadExternal | undefined): boolean {
  const outside = tensorsOf(model).filter(({ dataLocation }) => dataLocation === Location.EXTERNAL)
  const files = new Map<string, Uint8Array>()
  for (const tensor of outside) {
    const fail = (problem: string, cause?: unknown) =>
      new MillraceError(
        'MODEL_DATA_MISSING',
        `${title} keeps '${tensor.name}' outside the file, and ${problem}`,
        { cause },
      )
    const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]))
    const location = safeLocation(entries.get('location'), fail)
    const file = files.get(location) ?? readFile(location, read, fail)
    files.set(location, file)
    tensor.rawData = slice(file, tensor, entries, fail)
    tensor.externalData = []
    tensor.dataLocation = Location.DEFAULT
  }
  return outside.length > 0
}

type Fail = (problem: string, cause?: unknown) => MillraceError

/** A model file is outside input: it may name only what lies below its own folder. */
function safeLocation(location: string | undefined, fail: Fail): string {
  if (location === undefined) throw fail('does not say where')
  const steps = location.split(/[/\\]/)
  // ONNX Runtime takes a location that begins with '*' for an address in memory.
  const isOutside = steps[0] === '' || steps.includes('..') || /^[a-z]:|^\*|\0/i.test(location)
  if (!isOutside && !['', '.'].includes(steps.at(-1) ?? '')) return location
  throw fail(`names '${location}', which is no file below its own folder`)
}

function readFile(location: string, read: ReadExternal | undefined, fail: Fail): Uint8Array {
  if (read === undefined) throw fail(`there is no way here to read '${location}'`)
  try {
    return read(location)
  } catch (error) {
    throw fail(`'${location}' cannot be read: ${messageOf(error)}`, error)
  }
}

function slice(
  file: Uint8Array,
  tensor: TensorProto,
  entries: ReadonlyMap<string, string>,
  fail: Fail,
): Uint8Array {
  const offset = Number(entries.get('offset') ?? 0)
  // Without a length, tensors that follow in the same file are not part of this one.
  const rest = dtypeOf(tensor.dataType) === undefined ? file.byteLength - offset : storedBytes(tensor)
  const length = Number(entries.get('length') ?? rest)
  if (isCount(offset) && isCount(length) && offset + length <= file.byteLength)
    return file.subarray(offset, offset + length)
  throw fail(
    `its place, ${length} bytes from ${offset}, is not inside '${entries.get('location')}', which has ${file.byteLength}`,
  )
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function tensorsOf({ graph, functions }: ModelProto): TensorProto[] {
  return [
    ...(graph === undefined ? [] : tensorsOfGraph(graph)),
    ...functions.flatMap(({ node, attributeProto }) => [
      ...attributeProto.flatMap(tensorsOfAttribute),
      ...tensorsOfNodes(node),
    ]),
  ]
}

function tensorsOfGraph({ initializer, sparseInitializer, node }: GraphProto): TensorProto[] {
  const sparse = sparseInitializer.flatMap(({ values, indices }) => [values, indices])
  return [...initializer, ...sparse.filter(tensor => tensor !== undefined), ...tensorsOfNodes(node)]
}

function tensorsOfNodes(nodes: readonly NodeProto[]): TensorProto[] {
  return nodes.flatMap(({ attribute }) => attribute.flatMap(tensorsOfAttribute))
}

function tensorsOfAttribute({ t, tensors, g, graphs }: AttributeProto): TensorProto[] {
  return [
    ...(t === undefined ? [] : [t]),
    ...tensors,
    ...(g === undefined ? [] : tensorsOfGraph(g)),
    ...graphs.flatMap(tensorsOfGraph),
  ]
}
