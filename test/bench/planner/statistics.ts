export interface Sample {
  readonly mean: number
  /** Standard error of the mean. */
  readonly error: number
  readonly count: number
}

export function sampleOf(values: readonly number[]): Sample {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, error: Math.sqrt(squares / (count - 1) / count), count }
}

/**
 * How many combined standard errors a published mean of so many trials lies above ours. The spread of its trials is
 * taken to be ours.
 */
export function deviationsFrom(published: number, publishedTrials: number, ours: Sample): number {
  const spread = ours.error * Math.sqrt(ours.count)
  return (published - ours.mean) / Math.hypot(ours.error, spread / Math.sqrt(publishedTrials))
}
