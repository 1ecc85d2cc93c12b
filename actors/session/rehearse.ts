import { syntheticFrame } from '../../core/synthetic/index.js'
import { type TensorSpec } from '../../core/tensor.js'
import { type OnnxSession } from './onnx-session.js'

const SEED = 1
/** As in a sample frame: indices must be within the model's tables. */
const INTEGERS_BELOW = 2
const FEWEST_RUNS = 2
const MOST_RUNS = 50
/** No run begins later, but for the fewest. */
const BUDGET_MS = 500

/**
 * Runs a model on made-up tensors until it is known how long a run takes: the first, which is always slower, does not
 * count.
 * @param inputs  of the sizes of a frame
 * @returns mean of the runs, in ms by the clock: a quota of the processor, which holds some of them up and others not, and
 *   whoever else uses it, are in it
 * @throws INFERENCE_FAILED
 */
export async function rehearse(session: OnnxSession, inputs: readonly TensorSpec[]): Promise<number> {
  const feeds = syntheticFrame(inputs, SEED, 0, {}, INTEGERS_BELOW)
  await session.run(feeds)
  const startedAt = performance.now()
  const passed = () => performance.now() - startedAt
  let runs = 0
  while (runs < FEWEST_RUNS || (runs < MOST_RUNS && passed() < BUDGET_MS)) {
    await session.run(feeds)
    runs++
  }
  return passed() / runs
}
