import { elementCount } from '../../tensor.js'
import { type Random } from '../random.js'
import { type Moments } from './moments.js'
import { type FanIn, type Role } from './roles.js'

/** Relative to the deviation of what a layer makes. */
const SMALL = 0.1
/**
 * Mean of biases, in deviations of what a layer makes. It keeps the ReLUs after them nearly linear: with biases of 0, any
 * two inputs that differ a little move apart by a fifth in every layer, and so does rounding.
 */
export const BIAS_MEAN = 1
/** Fewer inputs are not centred: such a filter would only see edges. */
const LEAST_CENTRED = 16
/** A mean below this share of the deviation does no harm. */
const HARMLESS_MEAN = 0.1

/** Values for a parameter that is not a layer's weights, of a layer that reads `input`. */
export function fillParameter(
  role: Role,
  dims: readonly number[],
  input: Moments,
  random: Random,
): Float32Array {
  const out = new Float32Array(elementCount(dims))
  const deviation = Math.sqrt(input.variance)
  switch (role) {
    case 'bias':
      random.fillNormal(out, BIAS_MEAN, SMALL)
      return out
    case 'mean':
      random.fillNormal(out, input.mean, SMALL * deviation)
      return out
    case 'variance':
      return out.map(() => input.variance * (0.8 + 0.4 * random.uniform()))
    case 'scale':
      return out.map(() => 0.8 + 0.4 * random.uniform())
    case 'slope':
      return out.map(() => 0.1 + 0.2 * random.uniform())
    case 'table':
    case 'weight':
      random.fillNormal(out, 0, 1)
      return out
  }
}

/**
 * A linear layer's weights, so that what it makes of inputs with these moments has variance 1. He's rule,
 * sqrt(2 / fanIn), is this for inputs after a ReLU. Where the inputs have a mean, each output's weights sum to 0: the
 * mean is the same for every frame, and in a deep network it would outweigh what differs between frames.
 * Source: He et al., arXiv 1502.01852, section 2.2; centred weights as in Huang et al., arXiv 1710.02338
 */
export function fillWeights(
  dims: readonly number[],
  fanIn: FanIn,
  input: Moments,
  random: Random,
): Float32Array {
  const out = new Float32Array(elementCount(dims))
  const { mean, variance } = input
  const centred = isCentred(fanIn, input)
  random.fillNormal(out, 0, 1 / Math.sqrt(fanIn.count * (centred ? variance : variance + mean ** 2) + 1e-12))
  if (!centred) return out
  if (fanIn.contiguous) centreRows(out, fanIn.count)
  else centreColumns(out, fanIn.count)
  return out
}

function isCentred({ count }: FanIn, { mean, variance }: Moments): boolean {
  return count >= LEAST_CENTRED && mean ** 2 > HARMLESS_MEAN ** 2 * variance
}

function centreRows(values: Float32Array, length: number): void {
  for (let start = 0; start < values.length; start += length) {
    const row = values.subarray(start, start + length)
    const mean = row.reduce((sum, value) => sum + value, 0) / length
    for (let i = 0; i < length; i++) row[i] = (row[i] ?? 0) - mean
  }
}

function centreColumns(values: Float32Array, rows: number): void {
  const columns = values.length / rows
  const means = new Float64Array(columns)
  values.forEach((value, i) => (means[i % columns] = (means[i % columns] ?? 0) + value / rows))
  values.forEach((value, i) => (values[i] = value - (means[i % columns] ?? 0)))
}
