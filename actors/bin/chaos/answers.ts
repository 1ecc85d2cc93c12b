import { MillraceError } from '../../../core/errors.js'
import { syntheticFrame } from '../../../core/synthetic/index.js'
import { tensorsBytes, type Tensors, type TensorSpec } from '../../../core/tensor.js'
import { ThreadedSession } from '../../session/index.js'
import { closest, DISTINCTION, TOLERANCE } from '../run/verify.js'

/** Different frames, and what the uncut model makes of them. Frame n of a stream is the (n mod their number)th of these. */
export interface Known {
  readonly frame: (sequence: number) => Tensors
  readonly answer: (sequence: number) => Tensors
}

/** Bytes of frames that are made before they are asked for: an image takes as long to make as a small model to run. */
const MOST_BYTES = 2 ** 27

/** @throws VERIFY_FAILED: the answers are so alike that one could pass for another */
export async function knownAnswers(
  model: string,
  inputs: readonly TensorSpec[],
  seed: number,
  count: number,
): Promise<Known> {
  const make = (index: number) => syntheticFrame(inputs, seed, index)
  const room = Math.floor(MOST_BYTES / Math.max(1, tensorsBytes(make(0))))
  const made = Array.from({ length: Math.min(count, room) }, (_, index) => make(index))
  const frame = (sequence: number) => made[sequence % count] ?? make(sequence % count)
  const session = await ThreadedSession.open({ model })
  const answers: Tensors[] = []
  try {
    for (let i = 0; i < count; i++) answers.push(await session.run(frame(i)))
  } finally {
    await session.close()
  }
  const least = closest(answers)
  if (!(least >= DISTINCTION * TOLERANCE)) {
    const alike = `the outputs of different frames differ by ${least.toExponential(1)} only`
    throw new MillraceError('VERIFY_FAILED', `${alike}: a wrong one could not be told`)
  }
  return { frame, answer: sequence => answers[sequence % count] ?? {} }
}
