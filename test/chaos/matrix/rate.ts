/** Frames a second, as medians of seconds. */
export interface Rate {
  readonly before: number
  readonly during: number
  /** The worst second. */
  readonly least: number
}

/** @param before, during  frames in each second */
export function rateOf(before: readonly number[], during: readonly number[]): Rate {
  return { before: median(before), during: median(during), least: round(Math.min(...during)) }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const [low, high] = [
    sorted[Math.floor((sorted.length - 1) / 2)],
    sorted[Math.ceil((sorted.length - 1) / 2)],
  ]
  return round(((low ?? NaN) + (high ?? NaN)) / 2)
}

function round(fps: number): number {
  return Number(fps.toFixed(1))
}
