import { ModelBuilder } from '../../core/synthetic/index.js'

const SIZE = 192

/** A model of blocks of some ms each, with two numbers between one and the next. */
export function laborious(blocks: number): Uint8Array {
  const model = new ModelBuilder('laborious')
  let x = model.input('x', [1, 2])
  const ones = model.weight('ones', [SIZE, SIZE], () => new Float32Array(SIZE * SIZE).fill(1 / SIZE))
  for (let i = 1; i <= blocks; i++) {
    const mean = model.node('ReduceMean', [x], { axes: [0, 1], keepdims: 1 })
    let work = model.node('Add', [ones, mean])
    for (let round = 0; round < 6; round++) work = model.node('MatMul', [work, ones])
    const result = model.node('ReduceMean', [work], { axes: [0, 1], keepdims: 1 })
    x = model.node('Add', [x, model.node('Tanh', [result])], {}, i === blocks ? 'y' : `x${i}`)
  }
  model.output(x, [1, 2])
  return model.build()
}
