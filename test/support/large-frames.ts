import { tensor, type Tensors } from '../../core/tensor.js'
import { floats, noise, node, onnxBytes, value } from './onnx-builder.js'

const DIMS = [1, 64, 4_096]
const COUNT = DIMS.reduce((product, dim) => product * dim)
/** Of one frame, and of what each partition sends to the next. */
export const LARGE_FRAME_BYTES = 4 * COUNT
const OPERATORS = 12

/** A model that costs little to run, but whose input and all that goes between its partitions is a MiB each. */
export function wideModel(): Uint8Array {
  const steps = Array.from({ length: OPERATORS }, (_, i) =>
    node(
      i % 2 === 0 ? 'Mul' : 'Add',
      [i === 0 ? 'x' : `x${i}`, i % 2 === 0 ? 'factor' : 'addend'],
      [`x${i + 1}`],
    ),
  )
  return onnxBytes({
    inputs: [value('x', 'FLOAT', DIMS)],
    outputs: [value('y', 'FLOAT', [1, 64])],
    nodes: [...steps, node('ReduceMean', [`x${OPERATORS}`], ['y'], { axes: [2], keepdims: 0 })],
    initializers: [floats('factor', [1], [1.25]), floats('addend', [1], [0.5])],
  })
}

/** What frames for it hold, so that their results can be told apart. */
export function largeContents(count: number): Float32Array<ArrayBuffer>[] {
  return Array.from({ length: count }, (_, i) =>
    Float32Array.from(noise(`frame ${i}`, COUNT), one => one + i),
  )
}

/** A frame with memory of its own, as a camera's are. */
export function largeFrame(content: Float32Array<ArrayBuffer>): Tensors {
  return { x: tensor('float32', DIMS, content.slice()) }
}
