import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * Makes a folder and those above it, each asked for twice at most: Node's own `recursive` never ends, with the processor
 * at 100 %, where a parent is there and takes nothing, as behind a link to a disk that is not mounted.
 * @param mode  permissions of the folders that are made
 * @throws what `mkdir` says of the first one that cannot be
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  const folder = resolve(path)
  try {
    await mkdir(folder, mode)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST' && (await isFolder(folder))) return
    if (code !== 'ENOENT') throw error
    // Another process may have made it since; where it takes nothing, the second try says so.
    if (!(await isFolder(dirname(folder)))) await makeFolder(dirname(folder), mode)
    await makeLast(folder, mode)
  }
}

/** Its parent is there. Another process may have made this one meanwhile. */
async function makeLast(folder: string, mode: number): Promise<void> {
  try {
    await mkdir(folder, mode)
  } catch (error) {
    if (!(await isFolder(folder))) throw error
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    found => found.isDirectory(),
    () => false,
  )
}
