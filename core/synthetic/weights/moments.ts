import { type NodeProto } from '../../graph/proto/onnx_pb.js'

/** What is expected of a tensor's elements, over positions, channels and frames. */
export interface Moments {
  readonly mean: number
  readonly variance: number
}

export const STANDARD: Moments = { mean: 0, variance: 1 }

/** How much of the variance is left of an average over positions that resemble one another. */
const LEFT_BY_AVERAGE = 1 / 8
/** How many deviations the largest of a few neighbours lies above their mean. */
const ABOVE_BY_MAXIMUM = 0.5

const FUNCTIONS: Readonly<Record<string, (x: number) => number>> = {
  Relu: x => Math.max(0, x),
  LeakyRelu: x => (x > 0 ? x : 0.01 * x),
  PRelu: x => (x > 0 ? x : 0.2 * x),
  Clip: x => Math.min(6, Math.max(0, x)),
  Elu: x => (x > 0 ? x : Math.expm1(x)),
  Softplus: x => Math.log1p(Math.exp(x)),
  Tanh: Math.tanh,
  Sigmoid: x => 1 / (1 + Math.exp(-x)),
  HardSigmoid: x => Math.min(1, Math.max(0, 0.2 * x + 0.5)),
  HardSwish: x => (x * Math.min(6, Math.max(0, x + 3))) / 6,
  Gelu: x => x / (1 + Math.exp(-1.702 * x)),
}

/**
 * The moments of what a node without parameters makes of normally distributed inputs. What is not known is taken to
 * keep its first input's moments, as reshapes do.
 * Source: mean-field theory of random networks (Poole et al., arXiv 1606.05340), with independent inputs
 */
export function momentsAfter(node: NodeProto, inputs: readonly Moments[]): Moments {
  const [first = STANDARD] = inputs
  const activation = FUNCTIONS[node.opType]
  if (activation) return through(activation, first)
  switch (node.opType) {
    case 'Add':
    case 'Sum':
    case 'Sub':
      return { mean: total(inputs, 'mean'), variance: total(inputs, 'variance') }
    case 'Concat':
      return { mean: average(inputs, 'mean'), variance: average(inputs, 'variance') }
    case 'Mul':
      return inputs.length === 2 ? product(first, inputs[1] ?? STANDARD) : first
    case 'MaxPool':
    case 'GlobalMaxPool':
      return { ...first, mean: first.mean + ABOVE_BY_MAXIMUM * Math.sqrt(first.variance) }
    case 'AveragePool':
    case 'GlobalAveragePool':
    case 'ReduceMean':
      return { ...first, variance: LEFT_BY_AVERAGE * first.variance }
    default:
      return first
  }
}

function total(inputs: readonly Moments[], key: keyof Moments): number {
  return inputs.reduce((sum, moments) => sum + moments[key], 0)
}

function average(inputs: readonly Moments[], key: keyof Moments): number {
  return total(inputs, key) / Math.max(1, inputs.length)
}

function product(a: Moments, b: Moments): Moments {
  const second = (a.variance + a.mean ** 2) * (b.variance + b.mean ** 2)
  return { mean: a.mean * b.mean, variance: second - (a.mean * b.mean) ** 2 }
}

/** Integrates over the bell curve, from 6 deviations below the mean to 6 above. */
function through(activation: (x: number) => number, { mean, variance }: Moments): Moments {
  const deviation = Math.sqrt(variance)
  let [weight, first, second] = [0, 0, 0]
  for (let z = -6; z <= 6; z += 0.05) {
    const density = Math.exp(-0.5 * z * z)
    const value = activation(mean + deviation * z)
    weight += density
    first += density * value
    second += density * value * value
  }
  return { mean: first / weight, variance: second / weight - (first / weight) ** 2 }
}
