import { randomUUID } from 'node:crypto'
import { copyFile, link, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type RunModel } from '../../../core/graph/index.js'
import { type Tensors } from '../../../core/tensor.js'
import { type PartStore } from '../../model-store/index.js'
import { openSession } from '../../session/index.js'
import { type StoredData } from './messages.js'

/** Runs a model as a whole. */
export interface WholeModel {
  readonly run: RunModel
  close(): Promise<void>
}

/**
 * @param data  the files that the model refers to; ONNX Runtime reads them, so that they are never held in one piece
 * @throws what the file system throws
 */
export async function openWhole(store: PartStore, data: readonly StoredData[]): Promise<WholeModel> {
  if (data.length === 0) return { run: runOnce, close: async () => {} }
  const folder = await store.workFolder()
  const close = () => rm(folder, { recursive: true, force: true })
  try {
    for (const { location, path } of data) await place(path, join(folder, location))
    return { run: (model, feeds) => runBeside(folder, model, feeds), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Not a symbolic link: ONNX Runtime takes no file that is outside of the model's folder. */
async function place(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  // Not every file system has links.
  await link(from, to).catch(() => copyFile(from, to))
}

async function runBeside(folder: string, model: Uint8Array, feeds: Tensors): Promise<Tensors> {
  const path = join(folder, `${randomUUID()}.onnx`)
  try {
    await writeFile(path, model)
    return await runOnce(path, feeds)
  } finally {
    await rm(path, { force: true })
  }
}

async function runOnce(model: string | Uint8Array, feeds: Tensors): Promise<Tensors> {
  const session = await openSession(model)
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}
