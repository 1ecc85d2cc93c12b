import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { checkFiles, type Dataset, type DatasetFiles, filesOf, parseDataset } from '../core/dataset.js'
import { MillraceError } from '../core/errors.js'

/**
 * A dataset, in memory.
 * @param path  of its description; its files lie beside it
 * @throws DATASET_INVALID
 */
export async function readDataset(
  path: string,
): Promise<{ readonly dataset: Dataset; readonly files: DatasetFiles }> {
  const dataset = parseDataset(await readJson(path))
  const files: Record<string, Uint8Array> = {}
  for (const file of filesOf(dataset)) files[file] = await read(join(dirname(path), file))
  checkFiles(dataset, files)
  return { dataset, files }
}

async function readJson(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await read(path))
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw MillraceError.from(error, 'DATASET_INVALID', `${path} is not JSON: `)
  }
}

async function read(path: string): Promise<Uint8Array> {
  return readFile(path).catch((error: unknown) => {
    throw MillraceError.from(error, 'DATASET_INVALID', `${path}: `)
  })
}
