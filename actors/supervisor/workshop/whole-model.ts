import { type RunModel } from '../../../core/graph/index.js'
import { type PartStore } from '../../model-store/index.js'
import { runBeside, runOnce } from '../../profiler/index.js'
import { layOut } from './laid-out.js'
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
  const laidOut = await layOut(store, data)
  return { run: (model, feeds) => runBeside(laidOut.folder, model, feeds), close: () => laidOut.close() }
}
