import { writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { temporaryFolder } from '../../../config/hosts.js'
import { openModel } from '../../../config/model-source.js'
import { type PixelInputs } from '../../../core/sensing/index.js'
import { placeFile } from '../../machine/index.js'
import { type Session } from './session.js'

/**
 * The file of a model as it is deployed with `input`: until the session ends, one of another folder, with all that it refers
 * to.
 */
export async function modelFileOf(session: Session, path: string, input?: PixelInputs): Promise<string> {
  if (input === undefined) return path
  const { model, read } = await openModel(path, input)
  const folder = await temporaryFolder('model', session.cleanup)
  const file = join(folder, basename(path))
  await writeFile(file, (await read(model.sha256, 0, model.bytes)) ?? new Uint8Array())
  for (const { location } of model.data ?? [])
    await placeFile(resolve(dirname(path), location), join(folder, location))
  return file
}
