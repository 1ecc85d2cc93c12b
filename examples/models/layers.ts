import { type Kernel, type Net, type Target } from './net.js'

/** Of ImageNet, which all of these architectures were published for. */
export const CLASSES = 1000
/** A mean of one deviation before a ReLU keeps it nearly linear, so that noise does not grow from layer to layer. */
export const BEFORE_RELU: Target = { deviation: 1, mean: 1 }
/** Half a deviation for what is added to a shortcut, or to a stream of tokens, does the same. */
export const BEFORE_SUM: Target = { deviation: 0.5, mean: 0 }

/** So many blocks of one kind; the first of them has the stride. */
export interface Stage {
  readonly blocks: number
  readonly stride: number
}

/** The blocks of all stages in order: name, stage, and stride. */
export function blocksOf<S extends Stage>(
  stages: readonly S[],
): { name: string; stage: S; stride: number }[] {
  return stages.flatMap((stage, i) =>
    Array.from({ length: stage.blocks }, (_, block) => ({
      name: `stage${i + 1}.block${block + 1}`,
      stage,
      stride: block === 0 ? stage.stride : 1,
    })),
  )
}

/** A convolution with batch normalisation and a ReLU. */
export function convNormRelu(net: Net, name: string, x: string, kernel: Kernel): string {
  return net.relu(net.convNorm(name, x, kernel, BEFORE_RELU))
}

/** @param pad  border on each side, which no maximum is taken from */
export function maxPool(net: Net, x: string, size: number, stride: number, pad = 0): string {
  const attributes = { kernel_shape: [size, size], strides: [stride, stride], pads: [pad, pad, pad, pad] }
  return net.node('MaxPool', [x], attributes)
}

/** The mean of each channel over its positions: `[N, channels]`. */
export function averagePooled(net: Net, x: string): string {
  return flattened(net, net.node('GlobalAveragePool', [x]))
}

/** Channels and positions in one axis: `[N, elements]`. */
export function flattened(net: Net, x: string): string {
  return net.node('Flatten', [x], { axis: 1 })
}

/** The last layer, on features `[N, inputs]`: logits `[N, CLASSES]`. */
export function classifier(net: Net, features: string, inputs: number): string {
  return net.linear('classifier', features, inputs, CLASSES, { deviation: 2, mean: 0 })
}
