/** The value below which a share of `values` lies; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const [low, high] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0]
  return low + (high - low) * (at - Math.floor(at))
}

/** The least of measurements of one thing: whatever else a machine does adds to a time and never takes from it. */
export function least(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), values[0] ?? 0)
}

/** Interquartile range relative to the median: how much measurements of one thing differ. */
export function relativeSpread(values: readonly number[]): number {
  const median = quantile(values, 0.5)
  return median === 0 ? 0 : (quantile(values, 0.75) - quantile(values, 0.25)) / median
}
