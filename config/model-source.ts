import { readFile } from 'node:fs/promises'
import { basename, dirname, resolve, sep } from 'node:path'
import { readFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { MillraceError } from '../core/errors.js'
import { type Graph, graphFile, readGraph } from '../core/graph/index.js'
import { type PartId, type ReadPart } from '../actors/model-store/index.js'

/** A model as it is offered to a supervisor. */
export interface ModelSource {
  /** The file's name, for messages. */
  readonly name: string
  readonly graph: Graph
  readonly part: PartId
  readonly read: ReadPart
}

/**
 * A model, checked as far as its file tells.
 * @param model  path of an ONNX file, whose external data lies beside it; or the bytes of one without external data
 * @throws MODEL_NOT_FOUND, MODEL_INVALID, MODEL_TRUNCATED, MODEL_DATA_MISSING, GRAPH_INVALID
 */
export async function openModel(model: string | Uint8Array, name?: string): Promise<ModelSource> {
  const bytes = typeof model === 'string' ? await readModel(model) : model
  const title = name ?? (typeof model === 'string' ? basename(model) : 'model.onnx')
  const externalData = typeof model === 'string' ? readBeside(model) : undefined
  const graph = readGraph(bytes, { name: title, ...(externalData === undefined ? {} : { externalData }) })
  const whole = graph.hadExternalData ? graphFile(graph) : bytes
  const sha256 = createHash('sha256').update(whole).digest('hex')
  return {
    name: title,
    graph,
    part: { sha256, bytes: whole.byteLength },
    read: async (wanted, offset, length) =>
      wanted === sha256 ? whole.subarray(offset, offset + length) : undefined,
  }
}

async function readModel(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw MillraceError.from(error, 'MODEL_NOT_FOUND', `${path}: `)
  }
}

/** Only files below the model's own folder: a model file is outside input. */
function readBeside(path: string): (location: string) => Uint8Array {
  const folder = resolve(dirname(path))
  return location => {
    const file = resolve(folder, location)
    if (!file.startsWith(folder + sep)) {
      throw new MillraceError(
        'MODEL_DATA_MISSING',
        `${path} refers to ${location}, which is not in its folder`,
      )
    }
    try {
      return readFileSync(file)
    } catch (error) {
      throw MillraceError.from(error, 'MODEL_DATA_MISSING', `${path}: `)
    }
  }
}

/** A pipeline name made of a model's: lower case, other characters as `-`. */
export function pipelineNameOf(model: string): string {
  const name = model
    .replace(/\.onnx$/i, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 64)
  return name === '' ? 'pipeline' : name
}
