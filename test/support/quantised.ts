import { type Tensor, type Tensors } from '../../core/tensor.js'

const LEVELS = 255

/** What is left of float32 tensors that travel as uint8. */
export function quantised(tensors: Tensors): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, throughBytes(value)]))
}

/** As `DynamicQuantizeLinear` and `DequantizeLinear` make it: one scale for the tensor, and 0 stays 0. */
function throughBytes(value: Tensor): Tensor {
  const { dtype, dims, data } = value
  if (dtype !== 'float32' || !(data instanceof Float32Array)) return value
  const [low, high] = data.reduce(([low, high], x) => [Math.min(low, x), Math.max(high, x)], [0, 0])
  const scale = (high - low) / LEVELS || 1
  const zero = Math.round(-low / scale)
  const byteOf = (x: number) => Math.min(LEVELS, Math.max(0, Math.round(x / scale) + zero))
  return { dtype, dims, data: data.map(x => scale * (byteOf(x) - zero)) }
}
