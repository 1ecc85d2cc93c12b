import { type Attributes, ModelBuilder, randomOf } from 'millrace/synthetic'

/** Mean and variance of each channel, over calibration frames and positions. */
export interface ChannelStatistics {
  readonly mean: Float32Array
  readonly variance: Float32Array
}

/** By the name of the layer whose channels they are of. */
export type Calibration = ReadonlyMap<string, ChannelStatistics>

/** What a calibrated layer makes of its channels: normalised to this deviation and this mean. */
export interface Target {
  readonly deviation: number
  readonly mean: number
}

export interface Kernel {
  readonly inputs: number
  readonly outputs: number
  readonly size: number
  readonly stride?: number
  readonly groups?: number
  /** Border of zeros on each side; half the size where absent. */
  readonly pad?: number
}

/** A linear layer with its weights' layout and the axes that are not its channels. */
interface Layer {
  readonly weight: {
    readonly dims: readonly number[]
    readonly outputs: number
    readonly contiguous: boolean
  }
  readonly axes: readonly number[]
  readonly apply: (weight: string) => string
  readonly applyBiased: (weight: string, bias: string) => string
}

const UNIT: Target = { deviation: 1, mean: 0 }
const EPSILON = 1e-5
/** Elements of a weight that are held at once; the largest weight of VGG has 103 million. */
const PIECE = 2 ** 20

/**
 * A network under construction with seeded weights, in one of two forms. Without a calibration it measures: every
 * calibrated layer normalises by the statistics of the frames of its batch, which are outputs of the model. With one it
 * is the network itself, and the same layers normalise by those statistics.
 * Source: data-dependent initialisation as in Mishkin and Matas, arXiv 1511.06422 (layer-sequential unit variance), in
 * one pass as batch normalisation does it
 */
export class Net {
  readonly builder: ModelBuilder
  /** Names of the calibrated layers, in order. */
  readonly calibrated: string[] = []

  constructor(
    name: string,
    readonly seed: number,
    readonly calibration?: Calibration,
  ) {
    this.builder = new ModelBuilder(name)
  }

  node(opType: string, inputs: readonly string[], attributes?: Attributes): string {
    return this.builder.node(opType, inputs, attributes)
  }

  relu(x: string): string {
    return this.node('Relu', [x])
  }

  /** Normal weights of the deviation, the same for the same seed and name. */
  weight(name: string, dims: readonly number[], deviation: number): string {
    return this.builder.largeWeight(name, dims, () => this.#values(name, dims, deviation))
  }

  /** The same value throughout. */
  constant(name: string, dims: readonly number[], value: number): string {
    return this.builder.weight(name, dims, () => new Float32Array(sizeOf(dims)).fill(value))
  }

  /** A convolution without bias, followed by a `BatchNormalization` that makes `target` of each channel. */
  convNorm(name: string, x: string, kernel: Kernel, target = UNIT): string {
    const { dims, attributes } = convolution(kernel)
    const weight = this.weight(`${name}.weight`, dims, heDeviation(dims))
    const made = this.node('Conv', [x, weight], attributes)
    const { outputs } = kernel
    if (!this.calibration) return this.#measured(name, made, [0, 2, 3], outputs, target)
    const { mean, variance } = this.#statistics(name)
    const { builder } = this
    const parameters = [
      this.constant(`${name}.norm.scale`, [outputs], target.deviation),
      this.constant(`${name}.norm.bias`, [outputs], target.mean),
      builder.weight(`${name}.norm.mean`, [outputs], () => Float32Array.from(mean)),
      builder.weight(`${name}.norm.variance`, [outputs], () => Float32Array.from(variance)),
    ]
    return this.node('BatchNormalization', [made, ...parameters], { epsilon: { float: EPSILON } })
  }

  /** A convolution whose weights and bias make `target` of each channel. */
  conv(name: string, x: string, kernel: Kernel, target = UNIT): string {
    const { dims, attributes } = convolution(kernel)
    const layer: Layer = {
      weight: { dims, outputs: kernel.outputs, contiguous: true },
      axes: [0, 2, 3],
      apply: weight => this.node('Conv', [x, weight], attributes),
      applyBiased: (weight, bias) => this.node('Conv', [x, weight, bias], attributes),
    }
    return this.#folded(name, layer, target)
  }

  /** A fully connected layer on `[batch, inputs]`, whose weights and bias make `target` of each output. */
  linear(name: string, x: string, inputs: number, outputs: number, target = UNIT): string {
    const layer: Layer = {
      weight: { dims: [outputs, inputs], outputs, contiguous: true },
      axes: [0],
      apply: weight => this.node('Gemm', [x, weight], { transB: 1 }),
      applyBiased: (weight, bias) => this.node('Gemm', [x, weight, bias], { transB: 1 }),
    }
    return this.#folded(name, layer, target)
  }

  /** The same on tokens `[batch, tokens, inputs]`. */
  tokenLinear(name: string, x: string, inputs: number, outputs: number, target = UNIT): string {
    const apply = (weight: string) => this.node('MatMul', [x, weight])
    const layer: Layer = {
      weight: { dims: [inputs, outputs], outputs, contiguous: false },
      axes: [0, 1],
      apply,
      applyBiased: (weight, bias) => this.node('Add', [apply(weight), bias]),
    }
    return this.#folded(name, layer, target)
  }

  /** Measures the layer without a bias, or scales its weights and gives it one. */
  #folded(name: string, { weight, axes, apply, applyBiased }: Layer, target: Target): string {
    const { dims, outputs, contiguous } = weight
    const deviation = Math.sqrt((2 * outputs) / sizeOf(dims))
    const weightName = `${name}.weight`
    if (!this.calibration)
      return this.#measured(name, apply(this.weight(weightName, dims, deviation)), axes, outputs, target)
    const { mean, variance } = this.#statistics(name)
    const scale = Array.from(variance, value => target.deviation / Math.sqrt(value + EPSILON))
    const bias = Float32Array.from(mean, (value, i) => target.mean - value * (scale[i] ?? 0))
    const inner = contiguous ? sizeOf(dims) / outputs : 1
    this.builder.largeWeight(weightName, dims, () =>
      scaled(this.#values(weightName, dims, deviation), i => scale[Math.floor(i / inner) % outputs] ?? 0),
    )
    return applyBiased(
      weightName,
      this.builder.weight(`${name}.bias`, [outputs], () => bias),
    )
  }

  /** Normalised by its own statistics, which become outputs. */
  #measured(name: string, x: string, axes: readonly number[], channels: number, target: Target): string {
    this.calibrated.push(name)
    const mean = this.node('ReduceMean', [x], { axes })
    const centred = this.node('Sub', [x, mean])
    const variance = this.node('ReduceMean', [this.node('Mul', [centred, centred])], { axes })
    const raised = this.node('Add', [variance, this.constant('epsilon', [1], EPSILON)])
    const unit = this.node('Div', [centred, this.node('Sqrt', [raised])])
    const scaled = this.node('Mul', [unit, this.constant(`${name}.deviation`, [1], target.deviation)])
    const flat = this.builder.integers(`${name}.flat`, [channels])
    const outputs = { [meanOf(name)]: mean, [varianceOf(name)]: variance }
    for (const [output, value] of Object.entries(outputs)) {
      this.builder.node('Reshape', [value, flat], {}, output)
      this.builder.output(output, [channels])
    }
    return this.node('Add', [scaled, this.constant(`${name}.target`, [1], target.mean)])
  }

  #statistics(name: string): ChannelStatistics {
    const statistics = this.calibration?.get(name)
    if (!statistics) throw new Error(`the calibration has no layer '${name}'`)
    return statistics
  }

  *#values(name: string, dims: readonly number[], deviation: number): Generator<Float32Array> {
    const random = randomOf('model', this.seed, name)
    for (let left = sizeOf(dims); left > 0; left -= PIECE) {
      const piece = new Float32Array(Math.min(left, PIECE))
      random.fillNormal(piece, 0, deviation)
      yield piece
    }
  }
}

function* scaled(pieces: Iterable<Float32Array>, factor: (index: number) => number): Generator<Float32Array> {
  let start = 0
  for (const piece of pieces) {
    yield piece.map((value, i) => value * factor(start + i))
    start += piece.length
  }
}

/** Names of a measuring network's outputs. */
export function meanOf(layer: string): string {
  return `${layer}/mean`
}

export function varianceOf(layer: string): string {
  return `${layer}/variance`
}

/** The weights' dims and the operator's attributes. */
function convolution({ inputs, outputs, size, stride = 1, groups = 1, pad = Math.floor(size / 2) }: Kernel) {
  const attributes: Attributes = {
    kernel_shape: [size, size],
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
    dilations: [1, 1],
    group: groups,
  }
  return { dims: [outputs, inputs / groups, size, size], attributes }
}

/** He's rule for weights of `[outputs, ...what one output sums]`. */
function heDeviation(dims: readonly number[]): number {
  return Math.sqrt(2 / sizeOf(dims.slice(1)))
}

function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1)
}
