import { readFileSync } from 'node:fs'
import { syntheticFrame } from '../../core/synthetic/index.js'
import { type TensorSpec } from '../../core/tensor.js'
import { cpuQuota } from '../machine/index.js'
import { type OnnxSession } from './onnx-session.js'

const SEED = 1
/** As in a sample frame: indices must be within the model's tables. */
const INTEGERS_BELOW = 2
const FEWEST_SAMPLES = 5
const MOST_SAMPLES = 50
/** Of processor time: when so much may have come, no sample begins any more, but for the fewest. */
const BUDGET_MS = 500
/** The same by the clock, however small the quota is. */
const LONGEST_MS = 2_500
/** Shortest sample of processor time: some systems count it in steps of 4 or 10 ms. */
const SAMPLE_MS = 20

/** What a worker takes of a core without frames: beats, and what watches over it. As on a machine that takes 50 ms for ResNet-50. */
const IDLE_SHARE = 0.014

/**
 * Runs a model on made-up tensors until it is known how long a run takes: the first, which is always slower, does not
 * count.
 * @param inputs  of the sizes of a frame
 * @returns mean of the runs, in ms by the clock, with whoever else uses the processor. Under a quota of less than a core:
 *   what the processor spends on a run, as that lets it come, since a quota holds some runs up and others not: the mean of
 *   the middle half, as a run takes longer while a neighbour uses the same core
 * @throws INFERENCE_FAILED
 */
export async function rehearse(
  session: OnnxSession,
  inputs: readonly TensorSpec[],
  quota = cpuQuota() ?? Infinity,
): Promise<number> {
  const feeds = syntheticFrame(inputs, SEED, 0, {}, INTEGERS_BELOW)
  await session.run(feeds)
  const sampleMs = quota < 1 ? SAMPLE_MS : 0
  const budgetMs = Math.min(LONGEST_MS, BUDGET_MS / Math.min(1, quota))
  const startedAt = performance.now()
  const passed = () => performance.now() - startedAt
  const spent: number[] = []
  let runs = 0
  while (spent.length < FEWEST_SAMPLES || (spent.length < MOST_SAMPLES && passed() < budgetMs)) {
    const before = { cpuMs: cpuMs(), at: performance.now(), runs }
    do {
      await session.run(feeds)
      runs += 1
    } while (performance.now() - before.at < sampleMs)
    spent.push((cpuMs() - before.cpuMs) / (runs - before.runs))
  }
  const meanMs = passed() / runs
  const usual = middleMean(spent)
  return quota < 1 && usual > 0 ? usual / Math.max(quota / 2, quota - IDLE_SHARE) : meanMs
}

/** Of the half of the values that is neither low nor high. */
function middleMean(values: readonly number[]): number {
  const cut = values.length >> 2
  const middle = [...values].sort((a, b) => a - b).slice(cut, values.length - cut)
  return middle.reduce((sum, value) => sum + value, 0) / middle.length
}

/** Processor time of the thread that calls; of the whole process where the system does not tell of threads. */
function cpuMs(): number {
  try {
    const ms = Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6
    if (ms > 0) return ms
  } catch {
    // Not Linux, or one that does not tell.
  }
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e3
}
