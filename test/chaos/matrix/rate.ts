/** Frames a second, as medians of seconds. */
export interface Rate {
  readonly before: number
  readonly during: number
  /** The same without what is frozen: with nobody who subscribes, and no frames for the stage. */
  readonly without: number
  /** The worst second of the freeze. */
  readonly least: number
}

/** @param before, during, without  frames in each second */
export function rateOf(
  before: readonly number[],
  during: readonly number[],
  without: readonly number[],
): Rate {
  const [usual, frozen, free] = [before, during, without].map(median)
  return {
    before: usual ?? NaN,
    during: frozen ?? NaN,
    without: free ?? NaN,
    least: round(Math.min(...during)),
  }
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
