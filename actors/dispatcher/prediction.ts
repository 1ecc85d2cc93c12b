import { type ModelFiles } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type Envelope, type FrameIdentity, type StageTiming } from '../../core/frame.js'
import { type Tensor, type Tensors } from '../../core/tensor.js'
import { versionOf } from '../../core/versions.js'

/** A frame that was admitted. */
export interface AdmittedFrame extends FrameIdentity {
  /** ms since the Unix epoch. */
  readonly admittedAt: number
  /** None for a frame that was malformed, or admitted before it was decoded. */
  readonly tensors: Tensors
}

/** A delivered prediction. */
export interface Prediction extends FrameIdentity {
  readonly outputs: Tensors
  /** Epoch of the plan that made it. */
  readonly epoch: number
  /** Of the model that made it: the first 12 digits of its SHA-256. */
  readonly version: string
  readonly admittedAt: number
  /** From admission to the arrival of the result at the dispatcher, in ms. */
  readonly ageMs: number
  readonly timings: readonly StageTiming[]
  /** What the frame and all that was made of it took on the links, in bytes. */
  readonly bytes: number
}

/**
 * @param model  that made it
 * @param resultBytes  size of the message that brought the result
 */
export function predictionOf(
  { header, tensors }: Envelope,
  model: ModelFiles,
  resultBytes: number,
  now: number,
): Prediction {
  const { dispatcher, stream, sequence, epoch, admittedAt, timings } = header
  return {
    dispatcher,
    stream,
    sequence,
    epoch,
    version: versionOf(model),
    admittedAt,
    timings,
    outputs: tensors,
    ageMs: now - admittedAt,
    bytes: timings.reduce((sum, { bytesIn }) => sum + bytesIn, resultBytes),
  }
}

/**
 * The `k` largest elements of a tensor of numbers, largest first; of equal ones the first.
 * @param output  such as `prediction.outputs.logits`
 * @throws OUTPUT_UNKNOWN: undefined was given, which a prediction has under a name that is no output
 */
export function topK(output: Tensor | undefined, k: number): { index: number; value: number }[] {
  if (output === undefined)
    throw new MillraceError('OUTPUT_UNKNOWN', 'topK was given undefined: the prediction has no such output')
  const { data } = output
  return Array.from({ length: data.length }, (_, index) => ({ index, value: Number(data[index]) }))
    .sort((a, b) => b.value - a.value || a.index - b.index)
    .slice(0, k)
}
