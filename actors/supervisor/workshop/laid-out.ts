import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { placeFile } from '../../machine/index.js'
import { type PartStore } from '../../model-store/index.js'
import { type StoredData } from './messages.js'

/** The files that a model refers to, where it says that they are. */
export interface LaidOut {
  readonly folder: string
  close(): Promise<void>
}

/** @throws what the file system throws */
export async function layOut(store: PartStore, data: readonly StoredData[]): Promise<LaidOut> {
  const folder = await store.workFolder()
  const close = () => rm(folder, { recursive: true, force: true })
  try {
    for (const { location, path } of data) await placeFile(path, join(folder, location))
    return { folder, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The same with the model itself, under a name that no other file there has. */
export async function layOutWith(
  model: string,
  store: PartStore,
  data: readonly StoredData[],
): Promise<LaidOut & { readonly model: string }> {
  const laidOut = await layOut(store, data)
  const path = join(laidOut.folder, `${randomUUID()}.onnx`)
  try {
    await placeFile(model, path)
    return { ...laidOut, model: path }
  } catch (error) {
    await laidOut.close()
    throw error
  }
}
