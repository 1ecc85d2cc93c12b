import { type Architecture } from './calibrate.js'
import {
  averagePooled,
  BEFORE_RELU,
  BEFORE_SUM,
  blocksOf,
  classifier,
  convNormRelu,
  maxPool,
} from './layers.js'
import { type Net } from './net.js'

/** Bottleneck blocks and the width inside them; a block makes four times as many channels. */
const STAGES = [
  { blocks: 3, width: 64, stride: 1 },
  { blocks: 4, width: 128, stride: 2 },
  { blocks: 6, width: 256, stride: 2 },
  { blocks: 3, width: 512, stride: 2 },
]
const EXPANSION = 4

/**
 * ResNet-50 v1.5 (stride in the 3 x 3 convolutions): `input` float32 [N, 3, 224, 224] to `logits` float32 [N, 1000];
 * 25,557,032 trainable parameters, 4.1 GMAC; batch normalisation kept as nodes of its own.
 * Source: He et al., arXiv 1512.03385, table 1; the stride as in torchvision
 */
export const resnet50: Architecture = {
  name: 'resnet50',
  image: [3, 224, 224],
  calibrationFrames: 32,
  build: (net, input) => {
    const stem = convNormRelu(net, 'stem', input, { inputs: 3, outputs: 64, size: 7, stride: 2 })
    let x = maxPool(net, stem, 3, 2, 1)
    let inputs = 64
    for (const { name, stage, stride } of blocksOf(STAGES)) {
      x = bottleneck(net, name, x, { inputs, width: stage.width, stride })
      inputs = EXPANSION * stage.width
    }
    return classifier(net, averagePooled(net, x), inputs)
  },
}

interface Shape {
  readonly inputs: number
  readonly width: number
  readonly stride: number
}

/** 1 x 1, 3 x 3 and 1 x 1 convolutions with a shortcut around them, which is a convolution where the shape changes. */
function bottleneck(net: Net, name: string, x: string, { inputs, width, stride }: Shape): string {
  const outputs = EXPANSION * width
  const reduce = { inputs, outputs: width, size: 1 }
  const filter = { inputs: width, outputs: width, size: 3, stride }
  const expand = { inputs: width, outputs, size: 1 }
  const reduced = convNormRelu(net, `${name}.reduce`, x, reduce)
  const filtered = convNormRelu(net, `${name}.filter`, reduced, filter)
  const expanded = net.convNorm(`${name}.expand`, filtered, expand, BEFORE_SUM)
  const project = { inputs, outputs, size: 1, stride }
  const shortcut = inputs === outputs ? x : net.convNorm(`${name}.shortcut`, x, project, BEFORE_RELU)
  return net.relu(net.node('Add', [expanded, shortcut]))
}
