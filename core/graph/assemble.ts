import { toBinary } from '@bufbuild/protobuf'
import { MillraceError } from '../errors.js'
import { changed } from './message.js'
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from './proto/onnx_pb.js'

/** The largest file that a protobuf reader takes. */
const MOST_BYTES = 2 ** 31 - 1

const MODEL_GRAPH = 7
const GRAPH_INITIALIZER = 5
const TENSOR_RAW_DATA = 9

/** Bytes that are made when they are written, piece by piece, so that no more than one piece is held beside the file. */
export interface LateBytes {
  readonly byteLength: number
  pieces(): Iterable<Uint8Array>
}

/** An initializer without its data, and that. */
export interface LateTensor {
  readonly tensor: TensorProto
  readonly data: LateBytes
}

type Piece = Uint8Array | LateBytes

/**
 * The file of `model` with `graph` in it, and `late` among its initializers. Weights are copied once, into the result:
 * protobuf's own writer copies them once for every level of nesting.
 * @throws MODEL_UNSUPPORTED: the file would be larger than 2 GiB
 */
export function assemble(
  model: ModelProto,
  graph: GraphProto,
  late: readonly LateTensor[] = [],
): Uint8Array<ArrayBuffer> {
  const pieces = filePieces(model, graph, late)
  const file = new Uint8Array(sizeOf(pieces))
  let offset = 0
  for (const bytes of written(pieces)) {
    file.set(bytes, offset)
    offset += bytes.byteLength
  }
  return file
}

/**
 * The same file piece by piece, so that it is not held as a whole.
 * @throws MODEL_UNSUPPORTED: the file would be larger than 2 GiB
 */
export function assemblePieces(
  model: ModelProto,
  graph: GraphProto,
  late: readonly LateTensor[],
): Iterable<Uint8Array> {
  return written(filePieces(model, graph, late))
}

function filePieces(model: ModelProto, graph: GraphProto, late: readonly LateTensor[]): Piece[] {
  const pieces = [
    toBinary(ModelProtoSchema, without(model, 'graph')),
    ...field(MODEL_GRAPH, [
      toBinary(GraphProtoSchema, changed(graph, { initializer: [] })),
      ...graph.initializer.flatMap(tensor => field(GRAPH_INITIALIZER, tensorPieces(tensor))),
      ...late.flatMap(({ tensor, data }) =>
        field(GRAPH_INITIALIZER, [toBinary(TensorProtoSchema, tensor), ...field(TENSOR_RAW_DATA, [data])]),
      ),
    ]),
  ]
  const size = sizeOf(pieces)
  if (size > MOST_BYTES) {
    throw new MillraceError(
      'MODEL_UNSUPPORTED',
      `'${graph.name}' would be a file of ${size} bytes; ONNX ends at 2 GiB`,
    )
  }
  return pieces
}

function* written(pieces: readonly Piece[]): Generator<Uint8Array> {
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) yield piece
    else yield* piece.pieces()
  }
}

function tensorPieces(tensor: TensorProto): Piece[] {
  if (tensor.rawData.byteLength === 0) return [toBinary(TensorProtoSchema, tensor)]
  return [
    toBinary(TensorProtoSchema, without(tensor, 'rawData')),
    ...field(TENSOR_RAW_DATA, [tensor.rawData]),
  ]
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
