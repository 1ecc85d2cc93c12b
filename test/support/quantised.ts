import { type Tensor, type Tensors } from '../../core/tensor.js'
import { channelsOf } from '../../core/wire.js'

const LEVELS = 255

/** What is left of float32 tensors that travel as uint8, with one scale for each, or with one for each of their channels. */
export function quantised(tensors: Tensors, by: 'tensor' | 'channel' = 'tensor'): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, throughBytes(value, by)]))
}

/** As `DynamicQuantizeLinear` and `DequantizeLinear` make it: 0 stays 0. */
function throughBytes(value: Tensor, by: 'tensor' | 'channel'): Tensor {
  const { dtype, dims, data } = value
  if (dtype !== 'float32' || !(data instanceof Float32Array)) return value
  const channels = by === 'tensor' ? 1 : Math.max(1, channelsOf(dims))
  const inner = channels === 1 ? data.length : dims.slice(2).reduce((product, dim) => product * dim, 1)
  const channelAt = (i: number) => Math.floor(i / inner) % channels
  const ranges = Array.from({ length: channels }, () => ({ low: 0, high: 0 }))
  for (const [i, x] of data.entries()) {
    const range = ranges[channelAt(i)] ?? { low: 0, high: 0 }
    range.low = Math.min(range.low, x)
    range.high = Math.max(range.high, x)
  }
  return { dtype, dims, data: data.map((x, i) => rounded(x, ranges[channelAt(i)] ?? { low: 0, high: 0 })) }
}

function rounded(x: number, { low, high }: { readonly low: number; readonly high: number }): number {
  const scale = (high - low) / LEVELS || 1
  const zero = Math.round(-low / scale)
  return scale * (Math.min(LEVELS, Math.max(0, Math.round(x / scale) + zero)) - zero)
}
