import { type Architecture } from './calibrate.js'
import { averagePooled, BEFORE_RELU, BEFORE_SUM, blocksOf, classifier } from './layers.js'
import { type Kernel, type Net } from './net.js'

/** Inverted residuals: the factor by which they widen, and the channels that they end in. */
const STAGES = [
  { expansion: 1, outputs: 16, blocks: 1, stride: 1 },
  { expansion: 6, outputs: 24, blocks: 2, stride: 2 },
  { expansion: 6, outputs: 32, blocks: 3, stride: 2 },
  { expansion: 6, outputs: 64, blocks: 4, stride: 2 },
  { expansion: 6, outputs: 96, blocks: 3, stride: 1 },
  { expansion: 6, outputs: 160, blocks: 3, stride: 2 },
  { expansion: 6, outputs: 320, blocks: 1, stride: 1 },
]
const STEM = 32
const FEATURES = 1280

/**
 * MobileNetV2 of width 1: `input` float32 [N, 3, 224, 224] to `logits` float32 [N, 1000]; 3,504,872 trainable
 * parameters, 0.3 GMAC; batch normalisation kept as nodes of its own, ReLU6 as `Clip`.
 * Source: Sandler et al., arXiv 1801.04381, table 2
 */
export const mobilenetV2: Architecture = {
  name: 'mobilenet-v2',
  image: [3, 224, 224],
  calibrationFrames: 32,
  build: (net, input) => {
    let x = convNormRelu6(net, 'stem', input, { inputs: 3, outputs: STEM, size: 3, stride: 2 })
    let inputs = STEM
    for (const { name, stage, stride } of blocksOf(STAGES)) {
      const { expansion, outputs } = stage
      x = invertedResidual(net, name, x, { inputs, width: expansion * inputs, outputs, stride })
      inputs = outputs
    }
    const last = convNormRelu6(net, 'features', x, { inputs, outputs: FEATURES, size: 1 })
    return classifier(net, averagePooled(net, last), FEATURES)
  },
}

interface Shape {
  readonly inputs: number
  readonly width: number
  readonly outputs: number
  readonly stride: number
}

/**
 * A 1 x 1 convolution that widens, a 3 x 3 depthwise one, and a 1 x 1 one that narrows and has no ReLU after it; a
 * shortcut around them where the shape stays.
 */
function invertedResidual(net: Net, name: string, x: string, shape: Shape): string {
  const { inputs, width, outputs, stride } = shape
  const widen = { inputs, outputs: width, size: 1 }
  const filter = { inputs: width, outputs: width, size: 3, stride, groups: width }
  const wide = width === inputs ? x : convNormRelu6(net, `${name}.expand`, x, widen)
  const filtered = convNormRelu6(net, `${name}.filter`, wide, filter)
  const narrow = { inputs: width, outputs, size: 1 }
  const added = stride === 1 && inputs === outputs
  const made = net.convNorm(`${name}.project`, filtered, narrow, added ? BEFORE_SUM : undefined)
  return added ? net.node('Add', [made, x]) : made
}

function convNormRelu6(net: Net, name: string, x: string, kernel: Kernel): string {
  const made = net.convNorm(name, x, kernel, BEFORE_RELU)
  return net.node('Clip', [made, net.constant('relu6.low', [], 0), net.constant('relu6.high', [], 6)])
}
