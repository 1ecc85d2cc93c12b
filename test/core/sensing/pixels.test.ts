import test from 'ava'
import {
  IMAGE_DEFAULTS,
  imageLayout,
  type PixelInputs,
  pixelScalings,
  scaledPixels,
  tensorOfPixels,
} from '../../../core/sensing/index.js'
import { type DType, tensor, type TensorSpec } from '../../../core/tensor.js'

const input = (dims: TensorSpec['dims'], dtype: DType = 'float32', name = 'x'): TensorSpec => ({
  name,
  dtype,
  dims,
})
const SETTINGS = { scale: 0.5, mean: [1, 2, 3], std: [2, 4, 8] }

for (const dims of [
  [1, 3, 2, 4],
  [3, 2, 4],
  [1, 2, 4, 3],
  [2, 4, 3],
]) {
  test(`scaling pixels - in [${dims.join(', ')}] is what is done with an image`, t => {
    const spec = input(dims)
    const image = { width: 4, height: 2, data: Uint8Array.from({ length: 24 }, (_, i) => 10 * i) }
    const bare = { ...IMAGE_DEFAULTS, scale: 1 }
    const pixels = tensorOfPixels(image, imageLayout([{ ...spec, dtype: 'uint8' }], bare), bare)
    const settings = { ...IMAGE_DEFAULTS, ...SETTINGS }
    const expected = tensorOfPixels(image, imageLayout([spec], settings), settings)
    const scalings = pixelScalings([spec], { dtype: 'uint8', ...SETTINGS })
    t.deepEqual(scaledPixels({ x: pixels }, scalings), { x: expected })
  })
}

test('scaling pixels - without settings makes them 0 to 1, in inputs of any dims, and leaves other inputs alone', t => {
  const specs = [input([4]), input([2], 'int64', 'ids')]
  const frame = {
    x: tensor('uint8', [4], Uint8Array.of(0, 51, 102, 255)),
    ids: tensor('int64', [2], BigInt64Array.of(1n, 2n)),
  }
  const scaled = scaledPixels(frame, pixelScalings(specs, { x: { dtype: 'uint8' } }))
  t.deepEqual(scaled, { ...frame, x: tensor('float32', [4], Float32Array.of(0, 0.2, 0.4, 1)) })
})

const REFUSED: readonly (readonly [string, TensorSpec[], PixelInputs, RegExp])[] = [
  [
    'one setting for two inputs',
    [input([4]), input([4], 'float32', 'z')],
    { dtype: 'uint8' },
    /has the inputs x, z/,
  ],
  ['an input that is not there', [input([4])], { y: { dtype: 'uint8' } }, /no input 'y'; it has x/],
  ['an input of integers', [input([4], 'int64')], { dtype: 'uint8' }, /'x' is int64: only one of float32/],
  [
    'three means without channels',
    [input([4])],
    { dtype: 'uint8', mean: [1, 2, 3] },
    /\[4\], without channels/,
  ],
  [
    'three means for one channel',
    [input([1, 1, 8, 8])],
    { dtype: 'uint8', mean: [1, 2, 3] },
    /3 values.* 1 channels/,
  ],
  ['two deviations', [input([1, 3, 8, 8])], { dtype: 'uint8', std: [1, 2] }, /std has 2 values.* 3 channels/],
]

for (const [what, specs, given, message] of REFUSED) {
  test(`scaling pixels - ${what} is refused`, t => {
    t.throws(() => pixelScalings(specs, given), { code: 'OPTION_INVALID', message })
  })
}
