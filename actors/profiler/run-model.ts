import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Tensors } from '../../core/tensor.js'
import { openSession } from '../session/index.js'

/** @param model  an ONNX file's path, or its bytes */
export async function runOnce(model: string | Uint8Array, feeds: Tensors): Promise<Tensors> {
  const [outputs = {}] = await runEach(model, [feeds])
  return outputs
}

/** One frame after the other. */
export async function runEach(model: string | Uint8Array, frames: readonly Tensors[]): Promise<Tensors[]> {
  const session = await openSession(model)
  try {
    const outputs: Tensors[] = []
    for (const feeds of frames) outputs.push(await session.run(feeds))
    return outputs
  } finally {
    await session.release()
  }
}

/** Runs a model as a file in `folder`, where the files lie that it refers to; it is gone afterwards. */
export async function runEachBeside(
  folder: string,
  model: Uint8Array,
  frames: readonly Tensors[],
): Promise<Tensors[]> {
  const path = join(folder, `${randomUUID()}.onnx`)
  try {
    await writeFile(path, model)
    return await runEach(path, frames)
  } finally {
    await rm(path, { force: true })
  }
}
