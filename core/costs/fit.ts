import { type Rate } from './costs.js'

/** How often deviations are weighed anew. */
const ROUNDS = 50
/** Deviations below this share of the largest result weigh alike. */
const NEAR = 1e-4

/** What was put in, one number for each factor that is looked for, and what came out. */
export interface Observation {
  readonly inputs: readonly number[]
  readonly result: number
}

/**
 * Factors of which none is negative, so that the sum of absolute deviations of inputs times factors from the results is
 * least, nearly: unlike least squares, that does not follow a few measurements that went wrong.
 * @param observations  all with the same number of inputs, at most a handful
 * @returns as many factors as there are inputs; all 0 without observations
 * Source: iteratively reweighted least squares; non-negativity by trying all sets of factors that are not 0
 */
export function fitNonNegative(observations: readonly Observation[]): number[] {
  const count = observations[0]?.inputs.length ?? 0
  const scales = Array.from({ length: count }, (_, i) =>
    observations.reduce((most, { inputs }) => Math.max(most, Math.abs(inputs[i] ?? 0)), 0),
  )
  const scaled = observations.map(({ inputs, result }) => ({
    inputs: inputs.map((input, i) => (scales[i] === 0 ? 0 : input / (scales[i] ?? 1))),
    result,
  }))
  const size = observations.reduce((most, { result }) => Math.max(most, Math.abs(result)), 0)
  let weights = scaled.map(() => 1)
  let factors = scales.map(() => 0)
  for (let round = 0; round < ROUNDS; round++) {
    factors = leastSquares(scaled, weights, count)
    weights = scaled.map(
      one => 1 / Math.max(size * NEAR, Math.abs(deviation(one, factors)), Number.MIN_VALUE),
    )
  }
  return factors.map((factor, i) => (scales[i] === 0 ? 0 : factor / (scales[i] ?? 1)))
}

function deviation({ inputs, result }: Observation, factors: readonly number[]): number {
  return inputs.reduce((sum, input, i) => sum + input * (factors[i] ?? 0), -result)
}

/** The best of the solutions without a negative factor, for each set of factors that may differ from 0. */
function leastSquares(
  observations: readonly Observation[],
  weights: readonly number[],
  count: number,
): number[] {
  let best = { factors: Array<number>(count).fill(0), error: Infinity }
  for (let set = 0; set < 2 ** count; set++) {
    const columns = Array.from({ length: count }, (_, i) => i).filter(i => (set & (1 << i)) !== 0)
    const factors = solveFor(columns, observations, weights, count)
    if (factors === undefined || factors.some(factor => factor < 0)) continue
    const error = observations.reduce(
      (sum, one, i) => sum + (weights[i] ?? 0) * deviation(one, factors) ** 2,
      0,
    )
    if (error < best.error) best = { factors, error }
  }
  return best.factors
}

/** Normal equations of some columns; undefined where these do not tell the factors apart. */
function solveFor(
  columns: readonly number[],
  observations: readonly Observation[],
  weights: readonly number[],
  count: number,
): number[] | undefined {
  const product = (of: (one: Observation) => number) =>
    observations.reduce((sum, one, i) => sum + (weights[i] ?? 0) * of(one), 0)
  const rows = columns.map(a => [
    ...columns.map(b => product(({ inputs }) => (inputs[a] ?? 0) * (inputs[b] ?? 0))),
    product(({ inputs, result }) => (inputs[a] ?? 0) * result),
  ])
  const solution = eliminate(rows)
  if (solution === undefined) return undefined
  const factors = Array<number>(count).fill(0)
  for (const [i, column] of columns.entries()) factors[column] = solution[i] ?? 0
  return factors
}

/** Gauss and Jordan, with the largest pivot: rows of a square matrix and the right side. */
function eliminate(rows: number[][]): number[] | undefined {
  for (const column of rows.keys()) {
    const below = rows.slice(column)
    const pivot = below.reduce((one, other) =>
      Math.abs(other[column] ?? 0) > Math.abs(one[column] ?? 0) ? other : one,
    )
    const value = pivot[column] ?? 0
    const size = Math.max(...pivot.map(Math.abs))
    if (Math.abs(value) <= size * 1e-12) return undefined
    rows[rows.indexOf(pivot)] = rows[column] ?? []
    const own = pivot.map(entry => entry / value)
    rows[column] = own
    for (const [i, row] of rows.entries()) {
      if (i === column) continue
      const times = row[column] ?? 0
      rows[i] = row.map((entry, j) => entry - times * (own[j] ?? 0))
    }
  }
  return rows.map(row => row.at(-1) ?? 0)
}

/** What messages of so many bytes cost, from what each took, in ms. */
export function fitRate(bytes: readonly number[], ms: readonly number[]): Rate {
  const [msPerMessage = 0, msPerByte = 0] = fitNonNegative(
    bytes.map((size, i) => ({ inputs: [1, size], result: ms[i] ?? 0 })),
  )
  return { msPerMessage, msPerByte }
}
