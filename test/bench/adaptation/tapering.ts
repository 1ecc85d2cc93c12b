import { ModelBuilder, randomOf } from '../../../core/synthetic/index.js'

export const SIDE = 112
const SEED = 5

/**
 * A network whose tensors become smaller from level to level and whose work does not, so that each bandwidth has cuts of its
 * own: 401 kB at a cut of the first level as uint8, 100 kB behind it, and 50 kB behind the second. Weights are few, as
 * devices fetch the parts of a new plan over the same links.
 */
export function tapering(): Uint8Array {
  const model = new ModelBuilder('tapering')
  const random = randomOf(SEED)
  let layer = 0
  const conv = (x: string, from: number, to: number) => {
    const count = to * from * 9
    const deviation = Math.sqrt(2 / (from * 9))
    const values = () => Float32Array.from({ length: count }, () => deviation * random.normal())
    const weight = model.weight(`w${++layer}`, [to, from, 3, 3], values)
    return model.node('Relu', [model.node('Conv', [x, weight], { pads: [1, 1, 1, 1] })])
  }
  const halved = (x: string) => model.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] })
  const level = (x: string, from: number, to: number, layers: number) => {
    let y = x
    for (let i = 0; i < layers; i++) y = conv(y, i === 0 ? from : to, to)
    return halved(y)
  }
  let x = model.input('x', [1, 3, SIDE, SIDE])
  x = level(x, 3, 32, 11)
  x = level(x, 32, 64, 8)
  x = level(x, 64, 64, 16)
  model.output(model.node('GlobalAveragePool', [x], {}, 'y'), [1, 64, 1, 1])
  return model.build()
}
