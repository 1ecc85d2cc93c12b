import { MillraceError } from '../errors.js'
import { type Tensor, type TensorSpec } from '../tensor.js'
import { channelsOf, checkChannels, ofChannel } from './channels.js'
import { textOf } from './dims.js'
import { numberToHalf } from './half.js'
import { type ImageSettings } from './settings.js'

const ARRAYS = { float32: Float32Array, float64: Float64Array, uint8: Uint8Array } as const
type ImageDType = keyof typeof ARRAYS | 'float16'

/** How the pixels of an image are to stand in the input of a model. */
export interface ImageLayout {
  readonly input: string
  readonly dtype: ImageDType
  readonly channels: 1 | 3
  /** Channel by channel, as in NCHW, or pixel by pixel, as in NHWC. */
  readonly planar: boolean
  /** Undefined: that of the image. */
  readonly width: number | undefined
  readonly height: number | undefined
  /** The dims before and the order of those of the image. */
  readonly dimsOf: (width: number, height: number) => number[]
}

/** Pixels of a decoded image, row by row, channels together: 0 to 255. */
export interface Pixels {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/**
 * Reads from the model's input how it takes images: `[N, C, H, W]`, `[N, H, W, C]`, the same without N, or `[H, W]`,
 * where N is 1 or free and C is 1 or 3; where both orders fit, channels come first.
 * @throws FRAME_SHAPE: it takes none; FRAME_DTYPE: elements of a type that an image is not made into; OPTION_INVALID: the
 *   settings do not fit it
 */
export function imageLayout(specs: readonly TensorSpec[], settings: ImageSettings): ImageLayout {
  const [spec, ...others] = specs
  if (spec === undefined || others.length > 0)
    throw new MillraceError('FRAME_SHAPE', `an image is one tensor, but the model has ${specs.length} inputs`)
  const { name, dtype } = spec
  if (!isImageDType(dtype)) {
    throw new MillraceError(
      'FRAME_DTYPE',
      `input '${name}' is ${dtype}: images become float or uint8 tensors`,
    )
  }
  const shape = shapeOf(spec)
  checkChannels(settings, shape.channels, 'image', spec)
  const [width, height] = settings.size ?? []
  return {
    input: name,
    dtype,
    ...shape,
    width: fixed('width', shape.width, width, spec),
    height: fixed('height', shape.height, height, spec),
  }
}

type Shape = Pick<ImageLayout, 'channels' | 'planar' | 'width' | 'height' | 'dimsOf'>

function shapeOf(spec: TensorSpec): Shape {
  const { dims } = spec
  const [batch, rest] = dims.length === 4 ? [dims.slice(0, 1), dims.slice(1)] : [[], dims]
  const found = batch.every(dim => typeof dim !== 'number' || dim === 1) ? channelsOf(spec) : undefined
  if (found === undefined) {
    const wanted = '[1, C, H, W] or [1, H, W, C] with 1 or 3 channels'
    throw new MillraceError(
      'FRAME_SHAPE',
      `input '${spec.name}' is [${textOf(spec)}], no image: that would be ${wanted}`,
    )
  }
  const { channels, axis } = found
  const lead = batch.map(() => 1)
  const planar = axis !== dims.length - 1
  const [height, width] = rest.filter((_, i) => i + batch.length !== axis).map(sizeOf)
  const dimsOf = (width: number, height: number) => {
    if (axis === undefined) return [height, width]
    return planar ? [...lead, channels, height, width] : [...lead, height, width, channels]
  }
  return { channels, planar, height, width, dimsOf }
}

function isImageDType(dtype: string): dtype is ImageDType {
  return dtype === 'float16' || Object.hasOwn(ARRAYS, dtype)
}

function sizeOf(dim: TensorSpec['dims'][number]): number | undefined {
  return typeof dim === 'number' ? dim : undefined
}

function fixed(
  side: string,
  own: number | undefined,
  given: number | undefined,
  spec: TensorSpec,
): number | undefined {
  if (own === undefined || given === undefined || own === given) return own ?? given
  throw new MillraceError(
    'OPTION_INVALID',
    `image size: ${side} ${given} does not fit input '${spec.name}' [${textOf(spec)}]`,
  )
}

/**
 * The tensor of an image that has the size and the channels of the layout: each value (pixel * scale - mean) / std;
 * rounded and held to 0..255 for uint8.
 */
export function tensorOfPixels(pixels: Pixels, layout: ImageLayout, settings: ImageSettings): Tensor {
  const { channels, dtype } = layout
  const dims = layout.dimsOf(pixels.width, pixels.height)
  const tables = Array.from({ length: channels }, (_, channel) => tableOf(channel, layout, settings))
  const data =
    dtype === 'float16' ? new Uint16Array(pixels.data.length) : new ARRAYS[dtype](pixels.data.length)
  const plane = pixels.width * pixels.height
  for (let channel = 0; channel < channels; channel++) {
    const table = tables[channel] ?? []
    const source = settings.channels === 'bgr' ? channels - 1 - channel : channel
    const [start, step] = layout.planar ? [channel * plane, 1] : [channel, channels]
    for (let i = 0; i < plane; i++)
      data[start + i * step] = table[pixels.data[i * channels + source] ?? 0] ?? 0
  }
  return { dtype, dims, data }
}

/** What each of the 256 pixel values becomes in a channel of the model. */
function tableOf(channel: number, { dtype }: ImageLayout, settings: ImageSettings): number[] {
  const { mean, std } = ofChannel(settings, channel)
  const { scale = dtype === 'uint8' ? 1 : 1 / 255 } = settings
  return Array.from({ length: 256 }, (_, pixel) => {
    const value = (pixel * scale - mean) / std
    if (dtype === 'uint8') return Math.min(255, Math.max(0, Math.round(value)))
    return dtype === 'float16' ? numberToHalf(value) : value
  })
}
