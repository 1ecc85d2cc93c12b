import { randomUUID } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MillraceError } from '../../core/errors.js'
import { makeFolder } from '../machine/index.js'

/**
 * Writes a file, and its folder, so that it is there as a whole or not at all.
 * @throws COSTS_UNWRITABLE
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID()}.draft`
  try {
    await makeFolder(dirname(path))
    await writeFile(draft, text)
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined)
    throw MillraceError.from(error, 'COSTS_UNWRITABLE', `${path}: `)
  }
}
