export interface Sample {
  /** In minutes. */
  readonly at: number
  readonly value: number
}

/** How much values grow in a minute: the slope of the line with the least squares. 0 of fewer than two moments. */
export function slopeOf(samples: readonly Sample[]): number {
  const mean = (pick: (one: Sample) => number) =>
    samples.reduce((sum, one) => sum + pick(one), 0) / samples.length
  const [at, value] = [mean(one => one.at), mean(one => one.value)]
  const spread = samples.reduce((sum, one) => sum + (one.at - at) ** 2, 0)
  return spread === 0
    ? 0
    : samples.reduce((sum, one) => sum + (one.at - at) * (one.value - value), 0) / spread
}
