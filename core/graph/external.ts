import { MillraceError } from '../errors.js'
import { changed } from './message.js'
import { bodiesOf } from './subgraphs.js'
import {
  type GraphProto,
  type ModelProto,
  type TensorProto,
  TensorProto_DataLocation as Location,
} from './proto/onnx_pb.js'

/** Reads a whole file, by its location relative to the model. */
export type ReadExternal = (location: string) => Uint8Array

/**
 * The model with the weights in it that the file keeps outside; itself where there are none.
 * @throws MODEL_DATA_MISSING: there is no way to read them, or a file is too short
 */
export function inlineExternal(model: ModelProto, title: string, read: ReadExternal | undefined): ModelProto {
  const { graph } = model
  if (graph === undefined) return model
  refuseInBodies(graph, title)
  if (!graph.initializer.some(isExternal)) return model
  const files = new Map<string, Uint8Array>()
  const initializer = graph.initializer.map(tensor =>
    isExternal(tensor) ? inlined(tensor, title, read, files) : tensor,
  )
  return changed(model, { graph: changed(graph, { initializer }) })
}

function isExternal(tensor: TensorProto): boolean {
  return tensor.dataLocation === Location.EXTERNAL
}

function refuseInBodies(graph: GraphProto, title: string): void {
  for (const body of graph.node.flatMap(bodiesOf)) {
    if (body.initializer.some(isExternal)) {
      throw new MillraceError('MODEL_UNSUPPORTED', `${title} keeps weights of a sub-graph outside the file`)
    }
    refuseInBodies(body, title)
  }
}

function inlined(
  tensor: TensorProto,
  title: string,
  read: ReadExternal | undefined,
  files: Map<string, Uint8Array>,
): TensorProto {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]))
  const location = entries.get('location')
  if (read === undefined || location === undefined) {
    throw new MillraceError(
      'MODEL_DATA_MISSING',
      `${title} keeps '${tensor.name}' outside the file, in ${location}`,
    )
  }
  const file = files.get(location) ?? read(location)
  files.set(location, file)
  const offset = Number(entries.get('offset') ?? 0)
  const length = Number(entries.get('length') ?? file.byteLength - offset)
  if (!(offset >= 0 && length >= 0 && offset + length <= file.byteLength)) {
    throw new MillraceError('MODEL_DATA_MISSING', `${title}: ${location} is too short for '${tensor.name}'`)
  }
  const rawData = file.subarray(offset, offset + length)
  return changed(tensor, { rawData, externalData: [], dataLocation: Location.DEFAULT })
}
