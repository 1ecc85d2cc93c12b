import { type Architecture } from './calibrate.js'
import { BEFORE_RELU, classifier, flattened, maxPool } from './layers.js'
import { type Net } from './net.js'

const SIDE = 224
/** Channels of each stage's convolutions; a stage ends by halving height and width. */
const WIDTHS = [64, 128, 256, 512, 512]
const HIDDEN = 4096
const HIDDEN_LAYERS = 2

/** VGG-16: 138,357,544 parameters, 15.5 GMAC; see `vgg`. */
export const vgg16 = vgg('vgg16', [2, 2, 3, 3, 3])

/** VGG-19: 143,667,240 parameters, 19.6 GMAC; see `vgg`. */
export const vgg19 = vgg('vgg19', [2, 2, 4, 4, 4])

/**
 * A VGG without batch normalisation: `input` float32 [N, 3, 224, 224] to `logits` float32 [N, 1000]. Its fully connected
 * layers hold six of seven parameters, the first of them alone 103 million.
 * @param depths  convolutions of each of the 5 stages
 * @param narrowing  divides the channels and the hidden layers' widths, for a network that is small: 1 to 64, a power of 2
 * Source: Simonyan and Zisserman, arXiv 1409.1556, table 1, D and E; without the pooling to 7 x 7 that torchvision has
 * before the fully connected layers, which changes nothing at this image size
 */
export function vgg(name: string, depths: readonly number[], narrowing = 1): Architecture {
  return {
    name,
    image: [3, SIDE, SIDE],
    calibrationFrames: 16,
    build: (net, input) => {
      let [x, inputs] = [input, 3]
      for (const [stage, depth] of depths.entries()) {
        const outputs = (WIDTHS[stage] ?? 0) / narrowing
        for (let i = 1; i <= depth; i++) {
          x = convRelu(net, `stage${stage + 1}.conv${i}`, x, inputs, outputs)
          inputs = outputs
        }
        x = maxPool(net, x, 2, 2)
      }
      const positions = (SIDE / 2 ** depths.length) ** 2
      return perceptron(net, flattened(net, x), inputs * positions, HIDDEN / narrowing)
    },
  }
}

function convRelu(net: Net, name: string, x: string, inputs: number, outputs: number): string {
  return net.relu(net.conv(name, x, { inputs, outputs, size: 3 }, BEFORE_RELU))
}

function perceptron(net: Net, features: string, inputs: number, width: number): string {
  let x = features
  for (let i = 1; i <= HIDDEN_LAYERS; i++) {
    x = net.relu(net.linear(`hidden${i}`, x, i === 1 ? inputs : width, width, BEFORE_RELU))
  }
  return classifier(net, x, width)
}
