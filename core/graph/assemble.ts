import { toBinary } from '@bufbuild/protobuf'
import { MillraceError } from '../errors.js'
import { changed } from './message.js'
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProto_DataLocation as Location,
  TensorProtoSchema,
} from './proto/onnx_pb.js'

/** The largest file that a protobuf reader takes. */
export const LARGEST_FILE_BYTES = 2 ** 31 - 1

const MODEL_GRAPH = 7
const GRAPH_INITIALIZER = 5
const TENSOR_RAW_DATA = 9

/** Bytes that are made when they are written, piece by piece, so that no more than one piece is held beside the file. */
export interface LateBytes {
  readonly byteLength: number
  pieces(): Iterable<Uint8Array>
}

/** The data of initializers whose messages are without it. */
export type LateData = ReadonlyMap<TensorProto, LateBytes>

/** A file that is not written yet. */
export interface Assembly {
  readonly byteLength: number
  pieces(): Iterable<Uint8Array>
}

type Piece = Uint8Array | LateBytes

/**
 * The file of `model` with `graph` in it. Weights are copied once, into the result: protobuf's own writer copies them once
 * for every level of nesting.
 * @throws MODEL_UNSUPPORTED: the file would be larger than 2 GiB
 */
export function assemble(model: ModelProto, graph: GraphProto, late?: LateData): Uint8Array<ArrayBuffer> {
  return fileOf(checked(assemblyOf(model, graph, late), graph))
}

/**
 * The same file piece by piece, so that it is not held as a whole.
 * @throws MODEL_UNSUPPORTED: the file would be larger than 2 GiB
 */
export function assemblePieces(model: ModelProto, graph: GraphProto, late?: LateData): Iterable<Uint8Array> {
  return checked(assemblyOf(model, graph, late), graph).pieces()
}

/** The same file, which may be larger than one may be. */
export function assemblyOf(model: ModelProto, graph: GraphProto, late: LateData = new Map()): Assembly {
  const pieces = [
    toBinary(ModelProtoSchema, without(model, 'graph')),
    ...field(MODEL_GRAPH, [
      toBinary(GraphProtoSchema, changed(graph, { initializer: [] })),
      ...graph.initializer.flatMap(tensor =>
        field(GRAPH_INITIALIZER, tensorPieces(tensor, late.get(tensor) ?? tensor.rawData)),
      ),
    ]),
  ]
  return { byteLength: sizeOf(pieces), pieces: () => written(pieces) }
}

export function fileOf(assembly: Assembly): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(assembly.byteLength)
  let offset = 0
  for (const bytes of assembly.pieces()) {
    file.set(bytes, offset)
    offset += bytes.byteLength
  }
  return file
}

function checked(assembly: Assembly, { name }: GraphProto): Assembly {
  if (assembly.byteLength <= LARGEST_FILE_BYTES) return assembly
  throw new MillraceError(
    'MODEL_UNSUPPORTED',
    `'${name}' would be a file of ${assembly.byteLength} bytes; ONNX ends at 2 GiB`,
  )
}

function* written(pieces: readonly Piece[]): Generator<Uint8Array> {
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) yield piece
    else yield* piece.pieces()
  }
}

/** `tensor`, with `data` in the file and not outside of it. */
function tensorPieces(tensor: TensorProto, data: Piece): Piece[] {
  if (data.byteLength === 0) return [toBinary(TensorProtoSchema, tensor)]
  const empty = without(tensor, 'rawData')
  const wasOutside = tensor.dataLocation === Location.EXTERNAL
  const inside = wasOutside ? changed(without(empty, 'dataLocation'), { externalData: [] }) : empty
  return [toBinary(TensorProtoSchema, inside), ...field(TENSOR_RAW_DATA, [data])]
}

function without<T extends ModelProto | TensorProto>(message: T, name: keyof T): T {
  const copy = changed(message, {})
  delete copy[name]
  return copy
}

/** A length-delimited field: its tag, its length, and its content. */
function field(number: number, content: readonly Piece[]): Piece[] {
  return [varint(number * 8 + 2), varint(sizeOf(content)), ...content]
}

function sizeOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece) => sum + piece.byteLength, 0)
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  bytes.push(rest)
  return Uint8Array.from(bytes)
}
