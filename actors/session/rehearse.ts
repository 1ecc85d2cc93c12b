import { syntheticFrame } from '../../core/synthetic/index.js'
import { type TensorSpec } from '../../core/tensor.js'
import { type OnnxSession } from './onnx-session.js'

const SEED = 1
/** As in a sample frame: indices must be within the model's tables. */
const INTEGERS_BELOW = 2
const MOST_RUNS = 7
/** No run begins later, but for the second. */
const BUDGET_MS = 400

/**
 * Runs a model on made-up tensors until it is known how long a run takes: the first, which is always slower, does not
 * count.
 * @param inputs  of the sizes of a frame
 * @returns median of the runs, in ms by the clock: a quota of the processor, and whoever else uses it, are in it
 * @throws INFERENCE_FAILED
 */
export async function rehearse(session: OnnxSession, inputs: readonly TensorSpec[]): Promise<number> {
  const feeds = syntheticFrame(inputs, SEED, 0, {}, INTEGERS_BELOW)
  await session.run(feeds)
  const times: number[] = []
  const endAt = performance.now() + BUDGET_MS
  do {
    const startedAt = performance.now()
    await session.run(feeds)
    times.push(performance.now() - startedAt)
  } while (times.length < MOST_RUNS && performance.now() < endAt)
  return times.sort((a, b) => a - b)[times.length >> 1] ?? 0
}
