import test from 'ava'
import fc from 'fast-check'
import { type ErrorCode } from '../../../core/errors.js'
import {
  IMAGE_DEFAULTS,
  imageLayout,
  type ImageSettings,
  tensorOfPixels,
} from '../../../core/sensing/index.js'
import { type DType, type TensorSpec } from '../../../core/tensor.js'

const input = (dims: TensorSpec['dims'], dtype: DType = 'float32'): TensorSpec => ({ name: 'x', dtype, dims })
const made = (settings: Partial<ImageSettings>) => ({ ...IMAGE_DEFAULTS, ...settings })
/** Two pixels, one above the other: red, green, blue. */
const PIXELS = { width: 1, height: 2, data: Uint8Array.of(10, 20, 30, 40, 50, 60) }

function tensorFor(spec: TensorSpec, settings: Partial<ImageSettings>) {
  const layout = imageLayout([spec], made(settings))
  return tensorOfPixels(PIXELS, layout, made(settings))
}

const SHAPES: readonly (readonly [TensorSpec['dims'], object, number[]])[] = [
  [[1, 3, 2, 4], { channels: 3, planar: true, height: 2, width: 4 }, [1, 3, 2, 4]],
  [['n', 1, 2, 4], { channels: 1, planar: true, height: 2, width: 4 }, [1, 1, 2, 4]],
  [[null, 2, 4, 3], { channels: 3, planar: false, height: 2, width: 4 }, [1, 2, 4, 3]],
  [[1, 2, 4, 1], { channels: 1, planar: false, height: 2, width: 4 }, [1, 2, 4, 1]],
  [[1, 3, 'h', 'w'], { channels: 3, planar: true, height: undefined, width: undefined }, [1, 3, 2, 4]],
  [[3, 2, 4], { channels: 3, planar: true, height: 2, width: 4 }, [3, 2, 4]],
  [[2, 4, 3], { channels: 3, planar: false, height: 2, width: 4 }, [2, 4, 3]],
  [[2, 4], { channels: 1, planar: true, height: 2, width: 4 }, [2, 4]],
  [[1, 3, 2, 3], { channels: 3, planar: true, height: 2, width: 3 }, [1, 3, 2, 3]],
]

for (const [dims, expected, result] of SHAPES) {
  test(`image layout - an input [${dims.join(', ')}] takes images`, t => {
    const { dimsOf, ...layout } = imageLayout([input(dims)], IMAGE_DEFAULTS)
    t.deepEqual(layout, { input: 'x', dtype: 'float32', ...expected } as typeof layout)
    t.deepEqual(dimsOf(layout.width ?? 4, layout.height ?? 2), result)
  })
}

const REFUSED: readonly (readonly [string, TensorSpec[], Partial<ImageSettings>, ErrorCode, RegExp])[] = [
  ['a row', [input([4])], {}, 'FRAME_SHAPE', /'x' is \[4\], no image/],
  ['two channels', [input([1, 2, 8, 8])], {}, 'FRAME_SHAPE', /\[1, C, H, W\]/],
  ['several frames', [input([2, 3, 8, 8])], {}, 'FRAME_SHAPE', /no image/],
  ['two inputs', [input([8, 8]), input([8, 8])], {}, 'FRAME_SHAPE', /has 2 inputs/],
  ['integers', [input([8, 8], 'int64')], {}, 'FRAME_DTYPE', /'x' is int64/],
  [
    'three means for one channel',
    [input([8, 8])],
    { mean: [1, 2, 3] },
    'OPTION_INVALID',
    /mean has 3 values.* 1 channels/,
  ],
  [
    'two deviations',
    [input([1, 3, 8, 8])],
    { std: [1, 2] },
    'OPTION_INVALID',
    /std has 2 values.* 3 channels/,
  ],
  ['another size', [input([1, 3, 8, 8])], { size: [9, 8] }, 'OPTION_INVALID', /width 9 does not fit/],
  ['another height', [input([1, 3, 8, 8])], { size: [8, 9] }, 'OPTION_INVALID', /height 9 does not fit/],
]

for (const [what, specs, settings, code, message] of REFUSED) {
  test(`image layout - ${what} are refused`, t => {
    t.throws(() => imageLayout(specs, made(settings)), { code, message })
  })
}

test('image layout - the size option gives what the model leaves free', t => {
  const layout = imageLayout([input([1, 3, 'h', 8])], made({ size: [8, 5] }))
  t.like(layout, { width: 8, height: 5 })
})

test('image layout - pixels stand channel by channel or pixel by pixel, as red, green, blue or the other way', t => {
  const raw = { scale: 1 }
  const data = (spec: TensorSpec, settings: Partial<ImageSettings> = {}) => [
    ...tensorFor(spec, { ...raw, ...settings }).data,
  ]
  t.deepEqual(data(input([1, 3, 2, 1])), [10, 40, 20, 50, 30, 60])
  t.deepEqual(data(input([1, 2, 1, 3])), [10, 20, 30, 40, 50, 60])
  t.deepEqual(data(input([1, 3, 2, 1]), { channels: 'bgr' }), [30, 60, 20, 50, 10, 40])
  t.deepEqual(data(input([1, 2, 1, 3]), { channels: 'bgr' }), [30, 20, 10, 60, 50, 40])
})

test('image layout - values are scaled, and normalised by channel of the model', t => {
  const near = (actual: ArrayLike<number | bigint | string>, expected: number[]) => {
    t.is(actual.length, expected.length)
    expected.forEach((value, i) => t.true(Math.abs(Number(actual[i]) - value) < 1e-6, `${i}`))
  }
  const spec = input([1, 3, 2, 1])
  near(
    tensorFor(spec, {}).data,
    [10, 40, 20, 50, 30, 60].map(value => value / 255),
  )
  const settings = { scale: 0.1, mean: [1, 2, 3], std: [1, 2, 4] }
  near(tensorFor(spec, settings).data, [0, 3, 0, 1.5, 0, 0.75])
  near(tensorFor(spec, { ...settings, channels: 'bgr' }).data, [2, 5, 0, 1.5, -0.5, 0.25])
  near(tensorFor(spec, { scale: 1, mean: [10], std: [10] }).data, [0, 3, 1, 4, 2, 5])
})

test('image layout - values become what the input is made of', t => {
  const dtype = (type: DType, settings: Partial<ImageSettings> = {}) =>
    tensorFor(input([1, 3, 2, 1], type), settings)
  t.deepEqual(dtype('uint8'), {
    dtype: 'uint8',
    dims: [1, 3, 2, 1],
    data: Uint8Array.of(10, 40, 20, 50, 30, 60),
  })
  const held = dtype('uint8', { scale: 10, mean: [204.5] })
  t.deepEqual([...held.data], [0, 196, 0, 255, 96, 255])
  t.deepEqual(
    dtype('float16', { scale: 0.1 }).data,
    Uint16Array.of(0x3c00, 0x4400, 0x4000, 0x4500, 0x4200, 0x4600),
  )
  t.deepEqual(dtype('float64', { scale: 0.5 }).data, Float64Array.of(5, 20, 10, 25, 15, 30))
})

test('image layout - no dims of a model make it fail in another way', t => {
  const dim = fc.oneof(fc.nat(4), fc.constant('n'), fc.constant(null))
  fc.assert(
    fc.property(fc.array(dim, { maxLength: 6 }), dims => {
      t.notThrows(() => {
        try {
          imageLayout([input(dims)], IMAGE_DEFAULTS)
        } catch (error) {
          if (!(error instanceof Error) || !error.message.includes('no image')) throw error
        }
      })
    }),
  )
})
