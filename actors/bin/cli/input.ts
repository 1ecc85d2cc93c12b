import { setImmediate } from 'node:timers/promises'
import { readDataset } from '../../../config/dataset-files.js'
import { frameOf, labelOf } from '../../../core/dataset.js'
import { syntheticFrame } from '../../../core/synthetic/index.js'
import { type Tensors, tensorsBytes, type TensorSpec } from '../../../core/tensor.js'

/** Where the frames of a run come from. */
export interface FrameSource {
  readonly count: number
  frame(index: number): Tensors
  /** The class that is right, where it is known. */
  label(index: number): number | undefined
  /** The output whose largest element is the class. */
  readonly labelOutput?: string
}

/** Frames of a synthetic source that differ, and what they may take in bytes: then they begin anew. */
const MOST_DISTINCT = 32
const MOST_BYTES = 2 ** 27

/**
 * Frames that are made before they are asked for: a frame takes longer to make than to send, and it is the pipeline that
 * is to be seen.
 * @param inputs  the model's; frames are made of them and of `seed`
 */
export async function syntheticSource(
  inputs: readonly TensorSpec[],
  seed: number,
  count: number,
): Promise<FrameSource> {
  const first = syntheticFrame(inputs, seed, 0)
  const room = Math.floor(MOST_BYTES / Math.max(1, tensorsBytes(first)))
  const frames = [first]
  while (frames.length < Math.min(count, MOST_DISTINCT, room)) {
    frames.push(syntheticFrame(inputs, seed, frames.length))
    await setImmediate()
  }
  return { count, frame: index => frames[index % frames.length] ?? first, label: () => undefined }
}

/**
 * @param path  of a dataset description; its files lie beside it
 * @param count  frames wanted; left out: all. Beyond the end it begins anew.
 * @throws DATASET_INVALID
 */
export async function datasetSource(path: string, count?: number): Promise<FrameSource> {
  const { dataset, files } = await readDataset(path)
  return {
    count: count ?? dataset.count,
    frame: index => frameOf(dataset, files, index % dataset.count),
    label: index => labelOf(dataset, files, index % dataset.count),
    ...(dataset.labels === undefined ? {} : { labelOutput: dataset.labels.output }),
  }
}
