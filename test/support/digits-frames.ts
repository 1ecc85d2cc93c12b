import { openSession } from '../../actors/session/index.js'
import { type Pipeline, type Prediction } from '../../config/index.js'
import { relativeError } from '../../core/compare.js'
import { syntheticFrame } from '../../core/synthetic/index.js'
import { type Tensors } from '../../core/tensor.js'
import { answersTo } from './answers.js'
import { Feed, pulledFrames } from './feed.js'
import { inCheckout } from './index.js'

export const DIGITS_MODEL = inCheckout('examples/digits/digits.onnx')
const SEED = 1
const INPUT = [{ name: 'image', dtype: 'float32', dims: [1, 1, 8, 8] }] as const

/** Different frames for the digits model, float32 [1, 1, 8, 8] each. */
export function digitsFrames(count: number): Tensors[] {
  return Array.from({ length: count }, (_, i) => syntheticFrame(INPUT, SEED, i))
}

/** Frames as fast as they are pulled, where frame n is the (n mod `count`)th of these. */
export function digitsFeed(pipeline: Pipeline, count: number, deadlineMs: number): Feed {
  const frames = digitsFrames(count)
  return new Feed(
    pipeline,
    sequence => frames[sequence % count] ?? {},
    next => pulledFrames(pipeline, next, deadlineMs),
  )
}

/** The largest relative error of predictions against the uncut model, where frame n was the (n mod `count`)th of these. */
export async function worstDigitsError(predictions: readonly Prediction[], count: number): Promise<number> {
  const session = await openSession(DIGITS_MODEL)
  const expected = await answersTo(session, SEED, count)
  await session.release()
  return Math.max(
    ...predictions.map(({ sequence, outputs }) => relativeError(outputs, expected[sequence % count] ?? {})),
  )
}
