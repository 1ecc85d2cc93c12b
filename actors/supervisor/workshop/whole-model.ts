import { type Tensors } from '../../../core/tensor.js'
import { type PartStore } from '../../model-store/index.js'
import { runEach, runEachBeside } from '../../profiler/index.js'
import { layOut } from './laid-out.js'
import { type StoredData } from './messages.js'

/** Runs a model as a whole, or one with other outputs, on one frame after the other. */
export interface WholeModel {
  readonly run: (model: Uint8Array, frames: readonly Tensors[]) => Promise<Tensors[]>
  close(): Promise<void>
}

/**
 * @param data  the files that the model refers to; ONNX Runtime reads them, so that they are never held in one piece
 * @throws what the file system throws
 */
export async function openWhole(store: PartStore, data: readonly StoredData[]): Promise<WholeModel> {
  if (data.length === 0) return { run: runEach, close: async () => {} }
  const laidOut = await layOut(store, data)
  const { folder } = laidOut
  return { run: (model, frames) => runEachBeside(folder, model, frames), close: () => laidOut.close() }
}
