import { MillraceError } from '../errors.js'
import { type Tensor, type Tensors, type TensorSpec } from '../tensor.js'
import { channelsOf, checkChannels, ofChannel } from './channels.js'
import { textOf } from './dims.js'
import { IMAGE_DEFAULTS, type PixelSettings } from './settings.js'

/** The settings of a model's only input, or of its inputs by name. */
export type PixelInputs = PixelSettings | Readonly<Record<string, PixelSettings>>

/** What a pixel of 0 to 255 becomes: pixel * factor + addend. */
export interface PixelScaling {
  /** One each, or one each for every channel. */
  readonly factors: readonly number[]
  readonly addends: readonly number[]
  /** Of the channels; undefined where all are treated alike. */
  readonly axis: number | undefined
}

/**
 * What inputs of float32 make of pixels, by their names: (pixel * scale - mean) / std.
 * @param inputs  the model's
 * @throws OPTION_INVALID: an input is not there, is no float32, or has other channels than the settings
 */
export function pixelScalings(
  inputs: readonly TensorSpec[],
  given: PixelInputs,
): ReadonlyMap<string, PixelScaling> {
  const settings = settingsByName(inputs, given)
  return new Map(
    Object.entries(settings).map(([name, one]) => {
      const spec = inputs.find(input => input.name === name)
      if (spec !== undefined) return [name, scalingOf(spec, one)] as const
      throw invalid(`the model has no input '${name}'; it has ${namesOf(inputs)}`)
    }),
  )
}

function isPixelSettings(given: PixelInputs): given is PixelSettings {
  return typeof given['dtype'] === 'string'
}

function settingsByName(
  inputs: readonly TensorSpec[],
  given: PixelInputs,
): Readonly<Record<string, PixelSettings>> {
  if (!isPixelSettings(given)) return given
  const [only, ...others] = inputs
  if (only !== undefined && others.length === 0) return { [only.name]: given }
  throw invalid(`the model has the inputs ${namesOf(inputs)}: give the settings of each under its name`)
}

function scalingOf(spec: TensorSpec, { scale = 1 / 255, ...given }: PixelSettings): PixelScaling {
  const { mean = IMAGE_DEFAULTS.mean, std = IMAGE_DEFAULTS.std } = given
  if (spec.dtype !== 'float32')
    throw invalid(`input '${spec.name}' is ${spec.dtype}: only one of float32 can take uint8 in its place`)
  const found = channelsOf(spec)
  const several = Math.max(mean.length, std.length) > 1
  if (several && found === undefined) {
    const wanted = '[N, C, H, W] or [N, H, W, C] with 1 or 3 channels'
    throw invalid(`input '${spec.name}' is [${textOf(spec)}], without channels: that would be ${wanted}`)
  }
  const { channels = 1, axis } = found ?? {}
  checkChannels({ mean, std }, channels, 'input', spec)
  const own = Array.from({ length: several ? channels : 1 }, (_, i) => ofChannel({ mean, std }, i))
  return {
    factors: own.map(({ std }) => scale / std),
    addends: own.map(({ mean, std }) => -mean / std),
    axis: several ? axis : undefined,
  }
}

/** Frames of pixels as the model would take them: float32 where it takes uint8 instead. */
export function scaledPixels(frame: Tensors, scalings: ReadonlyMap<string, PixelScaling>): Tensors {
  return Object.fromEntries(
    Object.entries(frame).map(([name, tensor]) => {
      const scaling = scalings.get(name)
      return [name, scaling === undefined ? tensor : scaled(tensor, scaling)]
    }),
  )
}

function scaled({ dims, data }: Tensor, { factors, addends, axis }: PixelScaling): Tensor {
  const each = dims.slice((axis ?? dims.length) + 1).reduce((product, dim) => product * dim, 1)
  const values = Float32Array.from(data as Iterable<number>, (pixel, i) => {
    const channel = Math.floor(i / each) % factors.length
    return pixel * (factors[channel] ?? 1) + (addends[channel] ?? 0)
  })
  return { dtype: 'float32', dims, data: values }
}

function namesOf(inputs: readonly TensorSpec[]): string {
  return inputs.map(({ name }) => name).join(', ')
}

function invalid(problem: string): MillraceError {
  return new MillraceError('OPTION_INVALID', `input: ${problem}`)
}
