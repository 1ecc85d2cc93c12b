import { MillraceError } from '../../core/errors.js'
import { imageLayout, type ImageLayout, type ImageSettings, type Pixels } from '../../core/sensing/index.js'
import { tensorOfPixels } from '../../core/sensing/index.js'
import { type Tensors, type TensorSpec } from '../../core/tensor.js'

export interface ImageLimits {
  /** Width times height of an image before it is resized. */
  readonly maxPixels: number
}

/** What an image begins with. Everything else that the decoder could read is refused: fewer formats, fewer faults. */
const KINDS: readonly (readonly number[])[] = [
  [0xff, 0xd8, 0xff], // JPEG
  [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a], // PNG
]
const TIMEOUT_S = 10

/**
 * Decodes a JPEG or PNG, off this thread, and turns, resizes and normalises it as the model and the settings say.
 * Orientation in EXIF is followed; what is transparent is put on black; colours become grey where the model takes one
 * channel, and the other way round.
 * @throws FRAME_MALFORMED: it is none, broken, or has more pixels than the limit; FRAME_SHAPE, FRAME_DTYPE,
 *   OPTION_INVALID: see `imageLayout`
 */
export async function decodeImage(
  payload: Uint8Array,
  specs: readonly TensorSpec[],
  settings: ImageSettings,
  limits: ImageLimits,
): Promise<Tensors> {
  const layout = imageLayout(specs, settings)
  if (!KINDS.some(magic => magic.every((byte, i) => payload[i] === byte)))
    throw new MillraceError('FRAME_MALFORMED', 'the message is no image: it begins like neither JPEG nor PNG')
  const pixels = await pixelsOf(payload, layout, settings, limits)
  return { [layout.input]: tensorOfPixels(pixels, layout, settings) }
}

async function pixelsOf(
  payload: Uint8Array,
  { channels, width, height }: ImageLayout,
  { fit }: ImageSettings,
  { maxPixels }: ImageLimits,
): Promise<Pixels> {
  // Only those who decode images need the library.
  const { default: sharp } = await import('sharp')
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  try {
    const whole = sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error' })
      .timeout({ seconds: TIMEOUT_S })
      .autoOrient()
      .flatten({ background: '#000' })
    const coloured = channels === 1 ? whole.greyscale().toColourspace('b-w') : whole.toColourspace('srgb')
    const sized =
      width === undefined && height === undefined
        ? coloured
        : coloured.resize({ ...defined({ width, height }), fit, background: '#000' })
    const { data, info } = await sized.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
    return { width: info.width, height: info.height, data }
  } catch (error) {
    throw MillraceError.from(error, 'FRAME_MALFORMED', 'the image cannot be decoded: ')
  }
}

function defined({ width, height }: { width: number | undefined; height: number | undefined }) {
  return { ...(width === undefined ? {} : { width }), ...(height === undefined ? {} : { height }) }
}
