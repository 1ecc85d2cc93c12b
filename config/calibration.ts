import { createHash } from 'node:crypto'
import { checkFrame, type FrameInput } from '../actors/dispatcher/index.js'
import { calibrationFrames, packFrames } from '../core/calibration.js'
import { frameOf } from '../core/dataset.js'
import { MillraceError } from '../core/errors.js'
import { type TensorSpec } from '../core/tensor.js'
import { readDataset } from './dataset-files.js'
import { type ModelSource } from './model-source.js'

/** A supervisor keeps them beside the model. */
const MOST_BYTES = 2 ** 28

/**
 * A model that is offered with frames to choose and check wires by.
 * @param given  frames, or the path of a dataset's description; of many, some, evenly spread
 * @throws DATASET_INVALID; FRAME_INPUT_UNKNOWN, FRAME_DTYPE, FRAME_SHAPE, TENSOR_INVALID: a frame is none of the model's;
 *   OPTION_INVALID: they are too large
 */
export async function withCalibration(
  source: ModelSource,
  given: string | readonly FrameInput[] | undefined,
): Promise<ModelSource> {
  if (given === undefined) return source
  const frames = await framesIn(given)
  const file = packFrames(frames.map((frame, index) => checked(frame, index, source.graph.inputs)))
  if (file.byteLength > MOST_BYTES) {
    const sizes = `${frames.length} calibration frames take ${file.byteLength} bytes, and may take ${MOST_BYTES}`
    throw new MillraceError('OPTION_INVALID', `${sizes}: give fewer`)
  }
  const sha256 = createHash('sha256').update(file).digest('hex')
  return {
    ...source,
    model: { ...source.model, calibration: { sha256, bytes: file.byteLength } },
    read: async (wanted, offset, length) =>
      wanted === sha256 ? file.subarray(offset, offset + length) : source.read(wanted, offset, length),
  }
}

async function framesIn(given: string | readonly FrameInput[]): Promise<FrameInput[]> {
  if (typeof given !== 'string') return calibrationFrames(given.length).map(index => given[index] ?? {})
  const { dataset, files } = await readDataset(given)
  return calibrationFrames(dataset.count).map(index => frameOf(dataset, files, index))
}

function checked(frame: FrameInput, index: number, inputs: readonly TensorSpec[]) {
  try {
    return checkFrame(frame, inputs)
  } catch (error) {
    throw MillraceError.from(error, 'TENSOR_INVALID', `calibration frame ${index}: `)
  }
}
