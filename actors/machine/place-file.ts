import { copyFile, link } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFolder } from './make-folder.js'

/**
 * Has a file in another place too, whose folder is made. Not by a symbolic link: ONNX Runtime takes no file that is outside
 * of the model's folder.
 * @throws what the file system throws
 */
export async function placeFile(from: string, to: string): Promise<void> {
  await makeFolder(dirname(to))
  // Not every file system has links.
  await link(from, to).catch(() => copyFile(from, to))
}
