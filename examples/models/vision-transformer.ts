import { type Architecture } from './calibrate.js'
import { BEFORE_SUM, classifier } from './layers.js'
import { type Net, type Target } from './net.js'

const SIDE = 224
const PATCH = 16
const TOKENS = (SIDE / PATCH) ** 2 + 1
const WIDTH = 192
const HEADS = 3
const HEAD_WIDTH = WIDTH / HEADS
const DEPTH = 12
const HIDDEN = 4 * WIDTH
const NORM_EPSILON = 1e-6
/** Queries of this deviation make attention neither even nor a choice of one token. */
const QUERIES_KEYS_VALUES: Target = { deviation: 1.5, mean: 0 }

/**
 * A vision transformer of the size called Tiny (ViT-Ti/16): `input` float32 [N, 3, 224, 224] to `logits` float32
 * [N, 1000]; 5,717,416 parameters, 1.3 GMAC. Layer normalisation is one node and GELU is written out with Erf, as
 * exporters of opset 17 do.
 * Source: Dosovitskiy et al., arXiv 2010.11929, section 3.1; the size as in Touvron et al., arXiv 2012.12877, table 1
 */
export const visionTransformer: Architecture = {
  name: 'vision-transformer',
  image: [3, SIDE, SIDE],
  calibrationFrames: 64,
  build: (net, input) => {
    let x = embed(net, input)
    for (let i = 1; i <= DEPTH; i++) {
      x = net.node('Add', [x, attention(net, `block${i}.attention`, layerNorm(net, `block${i}.norm1`, x))])
      x = net.node('Add', [x, perceptron(net, `block${i}.mlp`, layerNorm(net, `block${i}.norm2`, x))])
    }
    const classToken = pick(net, layerNorm(net, 'norm', x), 0, 1)
    return classifier(net, classToken, WIDTH)
  },
}

/** Patches to tokens `[N, TOKENS, WIDTH]`, the class token first, with their positions added. */
function embed(net: Net, input: string): string {
  const kernel = { inputs: 3, outputs: WIDTH, size: PATCH, stride: PATCH, pad: 0 }
  const flat = reshape(net, net.conv('patches', input, kernel), [0, WIDTH, TOKENS - 1])
  const patches = net.node('Transpose', [flat], { perm: [0, 2, 1] })
  const batch = net.node('Shape', [input], { start: 0, end: 1 })
  const shape = net.node('Concat', [batch, net.builder.integers('one-token', [1, WIDTH])], { axis: 0 })
  const classToken = net.node('Expand', [net.weight('class-token', [1, 1, WIDTH], 0.5), shape])
  const tokens = net.node('Concat', [classToken, patches], { axis: 1 })
  return net.node('Add', [tokens, net.weight('positions', [1, TOKENS, WIDTH], 0.5)])
}

function layerNorm(net: Net, name: string, x: string): string {
  const parameters = [net.constant(`${name}.scale`, [WIDTH], 1), net.constant(`${name}.bias`, [WIDTH], 0)]
  return net.node('LayerNormalization', [x, ...parameters], { axis: -1, epsilon: { float: NORM_EPSILON } })
}

function attention(net: Net, name: string, x: string): string {
  const all = net.tokenLinear(`${name}.qkv`, x, WIDTH, 3 * WIDTH, QUERIES_KEYS_VALUES)
  const split = reshape(net, all, [0, TOKENS, 3, HEADS, HEAD_WIDTH])
  const byHead = net.node('Transpose', [split], { perm: [2, 0, 3, 1, 4] })
  const [queries, keys, values] = [pick(net, byHead, 0, 0), pick(net, byHead, 1, 0), pick(net, byHead, 2, 0)]
  const scaled = net.node('Mul', [queries, net.constant('attention.scale', [], HEAD_WIDTH ** -0.5)])
  const scores = net.node('MatMul', [scaled, net.node('Transpose', [keys], { perm: [0, 1, 3, 2] })])
  const mixed = net.node('MatMul', [net.node('Softmax', [scores], { axis: -1 }), values])
  const joined = reshape(net, net.node('Transpose', [mixed], { perm: [0, 2, 1, 3] }), [0, TOKENS, WIDTH])
  return net.tokenLinear(`${name}.out`, joined, WIDTH, WIDTH, BEFORE_SUM)
}

function perceptron(net: Net, name: string, x: string): string {
  const hidden = gelu(net, net.tokenLinear(`${name}.hidden`, x, WIDTH, HIDDEN))
  return net.tokenLinear(`${name}.out`, hidden, HIDDEN, WIDTH, BEFORE_SUM)
}

/** x / 2 * (1 + erf(x / sqrt 2)) */
function gelu(net: Net, x: string): string {
  const error = net.node('Erf', [net.node('Div', [x, net.constant('gelu.root', [], Math.SQRT2)])])
  const raised = net.node('Add', [error, net.constant('gelu.one', [], 1)])
  return net.node('Mul', [net.node('Mul', [x, raised]), net.constant('gelu.half', [], 0.5)])
}

/** 0 keeps a dim. */
function reshape(net: Net, x: string, dims: readonly number[]): string {
  return net.node('Reshape', [x, net.builder.integers('shape', dims)])
}

/** The slice at `index` of an axis, without that axis. */
function pick(net: Net, x: string, index: number, axis: number): string {
  return net.node('Gather', [x, net.builder.integer('index', index)], { axis })
}
