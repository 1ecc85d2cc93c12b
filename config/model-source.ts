import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, resolve, sep } from 'node:path'
import {
  externalFile,
  type PartId,
  partIdOfFile,
  readRange,
  type ReadPart,
} from '../actors/model-store/index.js'
import { type ModelFiles } from '../core/control/index.js'
import { MillraceError } from '../core/errors.js'
import {
  type ExternalFile,
  type Graph,
  LARGEST_FILE_BYTES,
  readGraph,
  withPixelInputs,
} from '../core/graph/index.js'
import { type PixelInputs, pixelScalings } from '../core/sensing/index.js'

/** A model as it is offered to a supervisor. */
export interface ModelSource {
  readonly graph: Graph
  /** Its files and their hashes; the name is the file's, for messages. */
  readonly model: ModelFiles
  /** Gives pieces of all of them. */
  readonly read: ReadPart
}

/**
 * A model, checked as far as its file tells.
 * @param model  path of an ONNX file of at most 2 GiB, whose external data, of any size, lies beside it; or the bytes of
 *   one without external data
 * @param input  inputs that are to take pixels: it is another model then, with other bytes
 * @throws MODEL_NOT_FOUND, MODEL_INVALID, MODEL_TRUNCATED, MODEL_UNSUPPORTED, MODEL_DATA_MISSING, GRAPH_INVALID;
 *   OPTION_INVALID: `input` does not fit it
 */
export async function openModel(model: string | Uint8Array, input?: PixelInputs): Promise<ModelSource> {
  const given = typeof model === 'string' ? await readModel(model) : model
  const title = typeof model === 'string' ? basename(model) : 'model.onnx'
  const folder = typeof model === 'string' ? resolve(dirname(model)) : undefined
  const beside = folder === undefined ? {} : { externalData: openBeside(folder) }
  const read = (bytes: Uint8Array) => readGraph(bytes, { name: title, ...beside })
  const own = read(given)
  const bytes = input === undefined ? given : withPixelInputs(given, title, pixelScalings(own.inputs, input))
  const graph = bytes === given ? own : read(bytes)
  const data = await dataOf(graph, folder)
  const file = {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.byteLength,
    name: title,
  }
  const paths = new Map(data.map(({ part, path }) => [part.sha256, path]))
  return {
    graph,
    model:
      data.length === 0 ? file : { ...file, data: data.map(({ location, part }) => ({ location, ...part })) },
    read: async (wanted, offset, length) => {
      if (wanted === file.sha256) return bytes.subarray(offset, offset + length)
      const path = paths.get(wanted)
      return path === undefined ? undefined : readRange(path, offset, length)
    },
  }
}

async function readModel(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path)
    if (size <= LARGEST_FILE_BYTES) return await readFile(path)
    throw new MillraceError(
      'MODEL_UNSUPPORTED',
      `${path} has ${size} bytes, and an ONNX file ends at 2 GiB: export it with external data`,
    )
  } catch (error) {
    throw MillraceError.from(error, 'MODEL_NOT_FOUND', `${path}: `)
  }
}

interface DataFile {
  readonly location: string
  readonly path: string
  readonly part: PartId
}

async function dataOf({ externalFiles }: Graph, folder = '.'): Promise<DataFile[]> {
  const files: DataFile[] = []
  for (const location of externalFiles) {
    const path = resolve(folder, location)
    files.push({ location, path, part: await partIdOfFile(path) })
  }
  return files
}

/** Only files below the model's own folder: a model file is outside input. */
function openBeside(folder: string): (location: string) => ExternalFile {
  return location => {
    const file = resolve(folder, location)
    if (file.startsWith(folder + sep)) return externalFile(file)
    throw new MillraceError('MODEL_DATA_MISSING', `${location} is not in ${folder}`)
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
