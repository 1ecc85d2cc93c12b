import {
  DTYPES,
  elementCount,
  type NumericData,
  type NumericDType,
  type Tensor,
  type Tensors,
  type TensorSpec,
} from '../tensor.js'
import { toHalves } from './half.js'
import { fillImage } from './image.js'
import { type Random, randomOf } from './random.js'

/** Images have at most this many channels where channels come last. */
const MOST_CHANNELS_LAST = 4
/** Of a pixel, for what is 1 as a float. */
const PIXEL_STEP = 60

/**
 * A frame for any model: one tensor per input, the same for the same seed and index on every machine, and distinct for
 * others. Floating-point inputs of 4 dims are images (see `fillImage`), channels first unless only the last dim can be
 * the channels; other floats are normal numbers; uint8 are the same as pixels, 0 to 255 around the middle; other integers
 * are in [0, integersBelow); strings are short words.
 * @param specs  the model's inputs
 * @param seed  an integer that names the set of frames
 * @param index  of the frame in that set, from 0
 * @param symbols  sizes of free dims by their symbol; a free dim that is not there has size 1
 * @param integersBelow  1 to 128: token ids and the like must be within the model's tables
 */
export function syntheticFrame(
  specs: readonly TensorSpec[],
  seed: number,
  index: number,
  symbols: Readonly<Record<string, number>> = {},
  integersBelow = 10,
): Tensors {
  return Object.fromEntries(
    specs.map(spec => {
      const dims = spec.dims.map(dim => (typeof dim === 'number' ? dim : (symbols[dim ?? ''] ?? 1)))
      return [spec.name, synthetic(spec, dims, randomOf('frame', seed, index, spec.name), integersBelow)]
    }),
  )
}

function synthetic({ dtype }: TensorSpec, dims: number[], random: Random, below: number): Tensor {
  if (dtype === 'string') return { dtype, dims, data: generate(dims, () => `word-${random.below(below)}`) }
  return { dtype, dims, data: numbers(dtype, dims, random, below) }
}

function numbers(dtype: NumericDType, dims: number[], random: Random, below: number): NumericData {
  switch (dtype) {
    case 'float32':
      return floats(dims, random)
    case 'float64':
      return Float64Array.from(floats(dims, random))
    case 'float16':
      return toHalves(floats(dims, random))
    case 'uint8':
      return Uint8Array.from(Uint8ClampedArray.from(floats(dims, random), value => 128 + PIXEL_STEP * value))
    case 'int64':
    case 'uint64':
      return new DTYPES[dtype].array(generate(dims, () => BigInt(random.below(below))))
    case 'bool':
      return Uint8Array.from(generate(dims, () => random.below(2)))
    default:
      return new DTYPES[dtype].array(generate(dims, () => random.below(below)))
  }
}

function generate<T>(dims: number[], make: () => T): T[] {
  return Array.from({ length: elementCount(dims) }, make)
}

function floats(dims: number[], random: Random): Float32Array<ArrayBuffer> {
  const out = new Float32Array(elementCount(dims))
  const [count = 0, second = 0, third = 0, last = 0] = dims
  const channelsLast = last <= MOST_CHANNELS_LAST && second > MOST_CHANNELS_LAST
  if (dims.length !== 4 || third < 2) random.fillNormal(out, 0, 1)
  else if (!channelsLast) eachOf(out, count, image => fillImage(image, second, third, last, random))
  else
    eachOf(out, count, image => {
      const planes = new Float32Array(image.length)
      fillImage(planes, last, second, third, random)
      interleave(planes, last, image)
    })
  return out
}

function eachOf(out: Float32Array, count: number, fill: (image: Float32Array) => void): void {
  const size = out.length / count
  for (let i = 0; i < count; i++) fill(out.subarray(i * size, (i + 1) * size))
}

/** Channel by channel to pixel by pixel. */
function interleave(planes: Float32Array, channels: number, out: Float32Array): void {
  const pixels = planes.length / channels
  for (let i = 0; i < out.length; i++)
    out[i] = planes[(i % channels) * pixels + Math.floor(i / channels)] ?? 0
}
