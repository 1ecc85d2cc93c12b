import { z } from 'zod'
import { MillraceError } from '../../core/errors.js'
import { defineOptions, type Options } from '../../core/options.js'
import { imageLayout, type PixelInputs, type SensorSettings } from '../../core/sensing/index.js'
import { type TensorSpec } from '../../core/tensor.js'

const positive = z.coerce.number().int().min(1)

/** What a pipeline does with frames that sensors publish. */
export const sensorOptions = defineOptions({
  sensorDelivery: {
    check: z.enum(['lossless', 'freshest']),
    default: 'lossless',
    value: 'lossless|freshest',
    doc: 'Frames of a sensor that find its queue full: `lossless` drops the new one, as `overrun`; `freshest` the oldest, as `stale`.',
  },
  sensorOrder: {
    check: z.enum(['admission', 'completion']),
    default: 'admission',
    value: 'admission|completion',
    doc: 'Order of the predictions for the frames of a sensor.',
  },
  sensorQueue: {
    check: positive.max(1_000_000),
    value: 'N',
    doc: 'Frames of a sensor that may wait; left out, 256, or 1 with delivery `freshest`.',
  },
  sensorDeadlineMs: {
    check: positive,
    default: 30_000,
    value: 'MS',
    doc: "Time after its arrival within which a sensor's frame is predicted or has failed.",
  },
  sensorTopK: {
    check: z.coerce.number().int().min(0).max(1_000),
    default: 5,
    value: 'N',
    doc: "Classes listed with a prediction for a sensor's frame; 0 for none.",
  },
  sensorRaw: {
    check: z.enum(['large', 'always', 'never']),
    default: 'large',
    value: 'large|always|never',
    doc: 'When predictions for sensors are published as MessagePack too: where JSON leaves some of their values out, always, or never.',
  },
  imageSize: {
    check: z.preprocess(pairOf, z.tuple([side(), side()])),
    value: 'WIDTHxHEIGHT',
    doc: 'Size that images are brought to, where the model leaves it free; left out there, their own.',
  },
  imageFit: {
    check: z.enum(['cover', 'contain', 'fill']),
    default: 'cover',
    value: 'cover|contain|fill',
    doc: "An image of another shape than the model's is cut, gets black bars, or is distorted.",
  },
  imageChannels: {
    check: z.enum(['rgb', 'bgr']),
    default: 'rgb',
    value: 'rgb|bgr',
    doc: 'Order in which the model takes the three colours.',
  },
  imageScale: {
    check: z.preprocess(value => (typeof value === 'string' ? numberOf(value) : value), z.number()),
    value: 'X',
    doc: 'What pixels of 0 to 255 are multiplied by; left out, 1/255, or 1 for a model that takes uint8.',
  },
  imageMean: {
    check: z.preprocess(listOf, z.array(z.number()).min(1).max(3)),
    default: [0],
    value: 'X[,X,X]',
    doc: "What is then subtracted, in all channels or in each of the model's.",
  },
  imageStd: {
    check: z.preprocess(
      listOf,
      z
        .array(z.number())
        .min(1)
        .max(3)
        .refine(values => !values.includes(0), 'must not be 0'),
    ),
    default: [1],
    value: 'X[,X,X]',
    doc: 'What it is then divided by, in the same way.',
  },
})

export type SensorOptions = Options<typeof sensorOptions>

/** Frames of a sensor that wait where nobody says how many. */
const QUEUE = { lossless: 256, freshest: 1 }

export function sensorSettingsOf(options: SensorOptions): SensorSettings {
  const { imageSize, imageScale, sensorDelivery } = options
  return {
    delivery: sensorDelivery,
    order: options.sensorOrder,
    queueFrames: options.sensorQueue ?? QUEUE[sensorDelivery],
    deadlineMs: options.sensorDeadlineMs,
    topK: options.sensorTopK,
    raw: options.sensorRaw,
    image: {
      ...(imageSize === undefined ? {} : { size: imageSize }),
      fit: options.imageFit,
      channels: options.imageChannels,
      ...(imageScale === undefined ? {} : { scale: imageScale }),
      mean: options.imageMean,
      std: options.imageStd,
    },
  }
}

/**
 * Refuses image options that cannot be meant for this model, before a sensor finds out. A model that scales pixels itself
 * is given those of images as they are.
 * @throws FRAME_SHAPE, FRAME_DTYPE, OPTION_INVALID, as `imageLayout`; OPTION_INVALID: what `input` scales would be scaled
 *   before
 */
export function checkImageOptions(
  options: SensorOptions & { readonly input?: PixelInputs | undefined },
  inputs: readonly TensorSpec[],
): void {
  const { image } = sensorSettingsOf(options)
  const defaults = sensorOptions
  const isScaled =
    (image.scale ?? 1) !== 1 || image.mean.some(mean => mean !== 0) || image.std.some(std => std !== 1)
  if (options.input !== undefined && isScaled) {
    const way = "give 'scale', 'mean' and 'std' in 'input' alone"
    throw new MillraceError(
      'OPTION_INVALID',
      `images would be scaled twice, before the model and in it: ${way}`,
    )
  }
  const isGiven =
    image.size !== undefined ||
    image.scale !== undefined ||
    image.fit !== defaults.imageFit.default ||
    image.channels !== defaults.imageChannels.default ||
    image.mean.join() !== defaults.imageMean.default.join() ||
    image.std.join() !== defaults.imageStd.default.join()
  if (isGiven) imageLayout(inputs, image)
}

function listOf(value: unknown): unknown {
  return typeof value === 'string' ? value.split(',').map(numberOf) : value
}

function pairOf(value: unknown): unknown {
  return typeof value === 'string' ? value.split('x').map(numberOf) : value
}

/** An empty text is no number, though JavaScript takes it for 0. */
function numberOf(text: string): number {
  return text.trim() === '' ? NaN : Number(text)
}

function side() {
  return z.int().min(1).max(65_535)
}
