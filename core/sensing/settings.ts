import { z } from 'zod'

const COUNT = 'one value, or one for each of three channels'
const perChannel = z.array(z.number()).min(1, `must be ${COUNT}`).max(3, `must be ${COUNT}`)

const normalisation = z.object({
  /** The tensor's values are (pixel * scale - mean) / std; pixels are 0 to 255. Left out: 1/255, or 1 for uint8. */
  scale: z.number().optional(),
  /** One value, or one for each channel in the model's order. */
  mean: perChannel,
  std: perChannel.refine(values => values.every(value => value !== 0), 'std must not be 0'),
})

/** How an image becomes the input of a model. Travels in plans. */
export const ImageSettings = z.object({
  /** Width and height in pixels, where the model leaves them free; left out there: those of the image. */
  size: z.tuple([z.int().min(1).max(65_535), z.int().min(1).max(65_535)]).optional(),
  /** `cover` cuts what stands out, `contain` adds black bars, `fill` distorts. */
  fit: z.enum(['cover', 'contain', 'fill']),
  /** Order of the channels of a model that takes three. */
  channels: z.enum(['rgb', 'bgr']),
  ...normalisation.shape,
})
export type ImageSettings = z.infer<typeof ImageSettings>

export const IMAGE_DEFAULTS: ImageSettings = { fit: 'cover', channels: 'rgb', mean: [0], std: [1] }

/** How an input of float32 takes pixels as uint8; what is left out is as for images. */
export const PixelSettings = z.strictObject({
  dtype: z.literal('uint8'),
  scale: normalisation.shape.scale,
  mean: normalisation.shape.mean.readonly().optional(),
  std: normalisation.shape.std.readonly().optional(),
})
export type PixelSettings = z.infer<typeof PixelSettings>

/** How a pipeline treats what sensors publish. Travels in specs and plans. */
export const SensorSettings = z.object({
  delivery: z.enum(['lossless', 'freshest']),
  order: z.enum(['admission', 'completion']),
  /** Frames of a stream that may wait. */
  queueFrames: z.int().min(1),
  deadlineMs: z.int().min(1),
  /** Classes that are listed with a prediction. */
  topK: z.int().min(0),
  /** Whether predictions are published as MessagePack too: always, or where JSON leaves some of their values out. */
  raw: z.enum(['large', 'always', 'never']),
  image: ImageSettings,
})
export type SensorSettings = z.infer<typeof SensorSettings>
