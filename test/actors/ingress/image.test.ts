import test from 'ava'
import fc from 'fast-check'
import sharp from 'sharp'
import { deflateSync, crc32 } from 'node:zlib'
import { decodeImage } from '../../../actors/ingress/image.js'
import { MillraceError } from '../../../core/errors.js'
import { IMAGE_DEFAULTS, type ImageSettings } from '../../../core/sensing/index.js'
import { type TensorSpec } from '../../../core/tensor.js'

const LIMITS = { maxPixels: 1_000_000 }
const input = (...dims: number[]): TensorSpec => ({ name: 'x', dtype: 'uint8', dims })
const RED = { r: 255, g: 0, b: 0 }

async function numbers(image: Uint8Array, spec: TensorSpec, settings: Partial<ImageSettings> = {}) {
  const tensors = await decodeImage(image, [spec], { ...IMAGE_DEFAULTS, ...settings }, LIMITS)
  return Array.from(tensors['x']?.data ?? [], Number)
}

function plain(width: number, height: number, background: object = RED) {
  const channels = 'alpha' in background ? 4 : 3
  return sharp({ create: { width, height, channels, background } })
}

/** Left half red, right half blue. */
async function halves(width: number, height: number): Promise<Buffer> {
  const right = await plain(width / 2, height, { r: 0, g: 0, b: 255 })
    .png()
    .toBuffer()
  return plain(width, height)
    .composite([{ input: right, left: width / 2, top: 0 }])
    .png()
    .toBuffer()
}

test('image - PNG and JPEG are decoded into the dims of the model', async t => {
  const png = await plain(2, 1).png().toBuffer()
  t.deepEqual(await numbers(png, input(1, 3, 1, 2)), [255, 255, 0, 0, 0, 0])
  t.deepEqual((await numbers(png, input(1, 2, 4, 3))).slice(0, 6), [255, 0, 0, 255, 0, 0])
  const jpeg = await plain(16, 16).jpeg({ quality: 100 }).toBuffer()
  const [red = 0, green = 255] = await numbers(jpeg, input(1, 2, 2, 3))
  t.true(red >= 250 && green <= 5)
})

test('image - a grey one of exactly the size of the model keeps its values', async t => {
  const values = Uint8Array.from({ length: 64 }, (_, i) => i * 4)
  const png = await sharp(values, { raw: { width: 8, height: 8, channels: 1 } })
    .png()
    .toBuffer()
  t.deepEqual(await numbers(png, input(1, 1, 8, 8)), [...values])
  const rgb = await numbers(png, input(1, 8, 8, 3))
  t.deepEqual(
    rgb,
    [...values].flatMap(value => [value, value, value]),
  )
})

test('image - is cut, barred or distorted to another shape', async t => {
  const png = await halves(8, 4)
  const at = async (settings: Partial<ImageSettings>, ...dims: number[]) =>
    numbers(png, input(...dims), settings)
  const top = await at({ fit: 'contain' }, 1, 8, 8, 3)
  t.deepEqual(top.slice(0, 24), new Array<number>(24).fill(0))
  t.is(top[3 * 8 * 4], 255)
  const square = await at({ fit: 'cover' }, 1, 4, 4, 3)
  t.true((square[0] ?? 0) > 200 && (square[3 * 3 + 2] ?? 0) > 200)
  const narrow = await at({ fit: 'fill' }, 1, 2, 2, 3)
  t.true((narrow[0] ?? 0) > 200 && (narrow[5] ?? 0) > 200)
})

test('image - without a size in the model keeps its own, or takes that of the settings', async t => {
  const spec: TensorSpec = { name: 'x', dtype: 'uint8', dims: ['n', 'h', 'w', 3] }
  const png = await plain(5, 2).png().toBuffer()
  const own = await decodeImage(png, [spec], IMAGE_DEFAULTS, LIMITS)
  t.deepEqual(own['x']?.dims, [1, 2, 5, 3])
  const given = await decodeImage(png, [spec], { ...IMAGE_DEFAULTS, size: [4, 3] }, LIMITS)
  t.deepEqual(given['x']?.dims, [1, 3, 4, 3])
})

test('image - is turned upright, its transparency put on black, 16 bits made 8', async t => {
  const upright = await halves(2, 2)
  const turned = await sharp(upright).withMetadata({ orientation: 6 }).png().toBuffer()
  t.deepEqual(await numbers(turned, input(2, 2, 3)), [255, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 255])
  const faint = await plain(2, 2, { r: 255, g: 255, b: 255, alpha: 0 }).png().toBuffer()
  t.deepEqual(await numbers(faint, input(2, 2, 3)), new Array<number>(12).fill(0))
  const deep = await plain(2, 2).toColourspace('rgb16').png().toBuffer()
  t.deepEqual((await numbers(deep, input(2, 2, 3))).slice(0, 3), [255, 0, 0])
})

async function refusal(image: Uint8Array): Promise<string> {
  try {
    await numbers(image, input(1, 8, 8, 3))
    return ''
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'FRAME_MALFORMED') throw error
    return error.message
  }
}

/** A PNG of a few kilobytes that unfolds to gigabytes. */
function bomb(side: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const named = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.byteLength)
    check.writeUInt32BE(crc32(named))
    return Buffer.concat([length, named, check])
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(side, 0)
  head.writeUInt32BE(side, 4)
  head.set([8, 2, 0, 0, 0], 8)
  const content = deflateSync(Buffer.alloc(1_000_000))
  const magic = Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)
  return Buffer.concat([magic, chunk('IHDR', head), chunk('IDAT', content), chunk('IEND', Buffer.alloc(0))])
}

test('image - one that would unfold to gigabytes is refused by its header', async t => {
  const before = process.memoryUsage().rss
  t.regex(await refusal(bomb(30_000)), /exceeds pixel limit/)
  t.regex(await refusal(bomb(1_001)), /exceeds pixel limit/)
  t.true(process.memoryUsage().rss - before < 200e6)
})

test('image - anything but JPEG and PNG is refused, also what the library could decode', async t => {
  for (const image of [plain(8, 8).webp(), plain(8, 8).gif(), plain(8, 8).tiff()]) {
    t.regex(await refusal(await image.toBuffer()), /neither JPEG nor PNG/)
  }
  const svg = Buffer.from(
    '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>',
  )
  t.regex(await refusal(svg), /neither JPEG nor PNG/)
  t.regex(await refusal(new Uint8Array(0)), /neither JPEG nor PNG/)
})

test('image - a broken one fails as malformed, wherever it is broken', async t => {
  const noise = Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * 7919) % 251)
  const whole = sharp(noise, { raw: { width: 32, height: 32, channels: 3 } })
  const images = [await whole.png().toBuffer(), await whole.jpeg().toBuffer()]
  for (const image of images) t.regex(await refusal(image.subarray(0, image.length / 2)), /cannot be decoded/)
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...images),
      fc.nat(),
      fc.uint8Array({ minLength: 1, maxLength: 8 }),
      async (image, at, bytes) => {
        const broken = Buffer.from(image)
        broken.set(bytes, 8 + (at % (broken.length - 16)))
        await refusal(broken)
      },
    ),
    { numRuns: 200 },
  )
})
