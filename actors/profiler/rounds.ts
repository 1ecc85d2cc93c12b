import { coreMs } from './clock.js'

export interface RoundLimits {
  /** Rounds are repeated for so long, in ms, within the numbers of rounds. */
  readonly budgetMs: number
  readonly fewest: number
  readonly most: number
}

/**
 * Runs each of `works` once, then each again, and so on: a moment in which the machine is busy falls on all of them.
 * @param checkpoint  is awaited between runs, and throws to stop
 * @returns for each work, the core's time of each of its runs, in ms
 */
export async function inRounds(
  works: readonly (() => Promise<unknown>)[],
  { budgetMs, fewest, most }: RoundLimits,
  checkpoint: () => Promise<void>,
): Promise<number[][]> {
  const samples = works.map((): number[] => [])
  const endAt = performance.now() + budgetMs
  for (let round = 0; round < most; round++) {
    if (round >= fewest && performance.now() >= endAt) break
    for (const [i, work] of works.entries()) {
      await checkpoint()
      samples[i]?.push(await coreMs(work))
    }
  }
  return samples
}
