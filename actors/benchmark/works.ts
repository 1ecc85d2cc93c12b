import { ModelBuilder, randomOf } from '../../core/synthetic/index.js'
import { tensor, type Tensors } from '../../core/tensor.js'

/** One layer, as in the middle of a network, and what a run of it takes. */
export interface Work {
  readonly model: Uint8Array
  readonly feeds: Tensors
  /** Multiplications and additions. */
  readonly operations: number
}

/** Sizes of the images, channels and filters of ResNet-50's second group of blocks, in smaller images. */
const IMAGE = { channels: 64, side: 28, kernel: 3 }
const MATRIX = { rows: 256, inner: 512, columns: 512 }

export function convolution(): Work {
  const { channels, side, kernel } = IMAGE
  const [dims, filters] = [
    [1, channels, side, side],
    [channels, channels, kernel, kernel],
  ]
  const model = new ModelBuilder('convolution')
  const w = model.weight('w', filters, () => values('w', filters))
  const attributes = { kernel_shape: [kernel, kernel], pads: [1, 1, 1, 1] }
  model.output(model.node('Conv', [model.input('x', dims), w], attributes), dims)
  return {
    model: model.build(),
    feeds: { x: tensor('float32', dims, values('x', dims)) },
    operations: 2 * (channels * kernel) ** 2 * side ** 2,
  }
}

export function matrixProduct(): Work {
  const { rows, inner, columns } = MATRIX
  const [dims, weights] = [
    [rows, inner],
    [inner, columns],
  ]
  const model = new ModelBuilder('matrix-product')
  const w = model.weight('w', weights, () => values('w', weights))
  model.output(model.node('MatMul', [model.input('x', dims), w]), [rows, columns])
  return {
    model: model.build(),
    feeds: { x: tensor('float32', dims, values('x', dims)) },
    operations: 2 * rows * inner * columns,
  }
}

function values(name: string, dims: readonly number[]): Float32Array<ArrayBuffer> {
  const out = new Float32Array(dims.reduce((product, dim) => product * dim, 1))
  randomOf('benchmark', name).fillNormal(out, 0, 1)
  return out
}
