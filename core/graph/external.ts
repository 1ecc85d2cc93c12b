import { MillraceError, messageOf } from '../errors.js'
import { type LateBytes, type LateData } from './assemble.js'
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

/** A file of weights, of any size. */
export interface ExternalFile {
  readonly byteLength: number
  /** @returns `length` bytes from `offset`, both within the file */
  read(offset: number, length: number): Uint8Array
}

/** Opens a file, by its location relative to the model: `/` between folders, none of them `..`. */
export type ReadExternal = (location: string) => ExternalFile

/** What a model keeps outside of its file. */
export interface External {
  /** Locations, each once. */
  readonly files: readonly string[]
  readonly outside: LateData
}

/** Data of at most so many bytes becomes part of the model at once: shapes and the like are looked at. */
const SMALL_BYTES = 2 ** 16
/** What is read of a file at once. */
const PIECE_BYTES = 2 ** 24

/**
 * Finds the weights that a file keeps outside. Small ones, and those that are not initializers of the main graph, are put
 * into `model`; the data of others is found in its file, and read when it is written.
 * @throws MODEL_DATA_MISSING: there is no way to read them, a location leads out of the model's folder, or a file is too
 *   short
 * Source: ONNX, "External Data"
 */
export function takeExternal(model: ModelProto, title: string, open: ReadExternal | undefined): External {
  const initializers = new Set(model.graph?.initializer)
  const files = new Map<string, ExternalFile>()
  const outside = new Map<TensorProto, LateBytes>()
  for (const tensor of tensorsOf(model)) {
    if (tensor.dataLocation !== Location.EXTERNAL) continue
    const fail = (problem: string, cause?: unknown) =>
      new MillraceError(
        'MODEL_DATA_MISSING',
        `${title} keeps '${tensor.name}' outside the file, and ${problem}`,
        { cause },
      )
    const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]))
    const location = safeLocation(entries.get('location'), fail)
    const file = files.get(location) ?? openFile(location, open, fail)
    files.set(location, file)
    const { offset, length } = placeIn(file, tensor, entries, fail)
    const mayWait = initializers.has(tensor) && dtypeOf(tensor.dataType) !== undefined
    if (mayWait && length > SMALL_BYTES) {
      outside.set(tensor, { byteLength: length, pieces: () => piecesOf(file, offset, length, fail) })
    } else {
      tensor.rawData = read(file, offset, length, fail)
      tensor.externalData = []
      tensor.dataLocation = Location.DEFAULT
    }
  }
  return { files: [...files.keys()], outside }
}

function* piecesOf(file: ExternalFile, offset: number, length: number, fail: Fail): Generator<Uint8Array> {
  for (let at = 0; at < length; at += PIECE_BYTES) {
    yield read(file, offset + at, Math.min(PIECE_BYTES, length - at), fail)
  }
}

function read(file: ExternalFile, offset: number, length: number, fail: Fail): Uint8Array {
  try {
    return file.read(offset, length)
  } catch (error) {
    throw fail(`its data cannot be read: ${messageOf(error)}`, error)
  }
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

function openFile(location: string, open: ReadExternal | undefined, fail: Fail): ExternalFile {
  if (open === undefined) throw fail(`there is no way here to read '${location}'`)
  try {
    return open(location)
  } catch (error) {
    throw fail(`'${location}' cannot be read: ${messageOf(error)}`, error)
  }
}

function placeIn(
  file: ExternalFile,
  tensor: TensorProto,
  entries: ReadonlyMap<string, string>,
  fail: Fail,
): { offset: number; length: number } {
  const offset = Number(entries.get('offset') ?? 0)
  // Without a length, tensors that follow in the same file are not part of this one.
  const rest = dtypeOf(tensor.dataType) === undefined ? file.byteLength - offset : storedBytes(tensor)
  const length = Number(entries.get('length') ?? rest)
  if (isCount(offset) && isCount(length) && offset + length <= file.byteLength) return { offset, length }
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
