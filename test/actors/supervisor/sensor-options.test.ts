import test from 'ava'
import { checkImageOptions, deployOptions, sensorSettingsOf } from '../../../actors/supervisor/index.js'
import { SensorSettings } from '../../../core/sensing/index.js'
import { parseOptions } from '../../../core/options.js'
import { type TensorSpec } from '../../../core/tensor.js'
import { codeOf } from '../../support/errors.js'

const optionsOf = (input: Record<string, unknown>) => parseOptions(deployOptions, input, 'deploy')
const settingsOf = (input: Record<string, unknown>) => sensorSettingsOf(optionsOf(input))

test('sensor options - without any, pixels become 0 to 1 and a queue is lossless and bounded', t => {
  const settings = settingsOf({})
  t.deepEqual(settings, {
    ...{
      delivery: 'lossless',
      order: 'admission',
      queueFrames: 256,
      deadlineMs: 30_000,
      topK: 5,
      raw: 'large',
    },
    image: { fit: 'cover', channels: 'rgb', mean: [0], std: [1] },
  })
  t.deepEqual(SensorSettings.parse(settings), settings)
  t.is(settingsOf({ sensorDelivery: 'freshest' }).queueFrames, 1)
})

test('sensor options - are taken from texts, as on the command line, and from values', t => {
  const texts = {
    imageMean: '0.485, 0.456,0.406',
    imageStd: '0.5',
    imageScale: '1',
    imageSize: '640x480',
    sensorQueue: '7',
  }
  const values = {
    imageMean: [0.485, 0.456, 0.406],
    imageStd: [0.5],
    imageScale: 1,
    imageSize: [640, 480],
    sensorQueue: 7,
  }
  const expected = { ...settingsOf({}).image, mean: values.imageMean, std: [0.5], scale: 1, size: [640, 480] }
  for (const given of [texts, values]) {
    t.like(settingsOf(given), { queueFrames: 7, image: expected })
    t.deepEqual(SensorSettings.parse(settingsOf(given)), settingsOf(given))
  }
})

const BAD: Readonly<Record<string, unknown[]>> = {
  imageMean: ['', 'a', '1,,2', '1,2,3,4', [], [NaN], 5, Infinity],
  imageStd: ['0', '1,0,1', [0], ''],
  imageScale: ['', 'x', NaN],
  imageSize: ['8', '8x', '8x0', '8x8x8', '1.5x2', [8], 'x', '70000x1'],
  imageFit: ['inside'],
  imageChannels: ['grb'],
  sensorDelivery: ['fresh'],
  sensorOrder: [''],
  sensorQueue: [0, 'x', 1.5],
  sensorTopK: [-1, 1_001],
  sensorRaw: [true],
  sensorDeadlineMs: [0],
}

for (const [key, values] of Object.entries(BAD)) {
  test(`sensor options - ${key} refuses what it cannot be`, t => {
    for (const value of values) {
      t.is(
        codeOf(() => optionsOf({ [key]: value })),
        'OPTION_INVALID',
        JSON.stringify(value),
      )
    }
  })
}

test('sensor options - image options that a model has no use for are refused, the defaults are not', t => {
  const row: TensorSpec[] = [{ name: 'x', dtype: 'float32', dims: [1, 2, 3, 4, 5] }]
  const image: TensorSpec[] = [{ name: 'x', dtype: 'float32', dims: [1, 1, 8, 8] }]
  t.notThrows(() => checkImageOptions(optionsOf({ imageFit: 'cover', sensorTopK: 3 }), row))
  for (const given of [
    { imageFit: 'fill' },
    { imageChannels: 'bgr' },
    { imageScale: 1 },
    { imageMean: '1' },
    { imageStd: '2' },
    { imageSize: '8x8' },
  ]) {
    t.is(
      codeOf(() => checkImageOptions(optionsOf(given), row)),
      'FRAME_SHAPE',
      JSON.stringify(given),
    )
    t.notThrows(() => checkImageOptions(optionsOf(given), image))
  }
  t.is(
    codeOf(() => checkImageOptions(optionsOf({ imageMean: '1,2,3' }), image)),
    'OPTION_INVALID',
  )
})

test('input option - is uint8, settings, settings by name, or JSON of these', t => {
  const settings = { dtype: 'uint8', scale: 1, mean: [0.5], std: [0.25, 1, 2] }
  const inputOf = (input: unknown) => optionsOf({ input }).input
  t.deepEqual(inputOf('uint8'), { dtype: 'uint8' })
  for (const value of [{ dtype: 'uint8' }, settings, { left: settings, dtype: { dtype: 'uint8' } }]) {
    t.deepEqual<unknown, unknown>(inputOf(value), value)
    t.deepEqual<unknown, unknown>(inputOf(JSON.stringify(value)), value)
    t.deepEqual<unknown, unknown>(inputOf(inputOf(value)), value)
  }
  const bad: readonly (readonly [unknown, RegExp])[] = [
    ['int8', /must be uint8, or an object/],
    ['{"dtype"', /must be uint8, or an object/],
    [{}, /must name an input/],
    [{ dtype: 'float32' }, /dtype/],
    [{ dtype: 'uint8', std: [0] }, /std must not be 0/],
    [{ dtype: 'uint8', means: [0] }, /means/],
    [{ left: { dtype: 'uint8', mean: [] } }, /must be one value/],
  ]
  for (const [value, message] of bad)
    t.throws(() => inputOf(value), { code: 'OPTION_INVALID', message }, JSON.stringify(value))
})

test('input option - a model that scales pixels is given those of images as they are, and never scaled ones', t => {
  const inputs: TensorSpec[] = [{ name: 'x', dtype: 'uint8', dims: [1, 1, 8, 8] }]
  const check = (given: Record<string, unknown>) => () =>
    checkImageOptions(optionsOf({ input: 'uint8', ...given }), inputs)
  t.notThrows(check({}))
  t.notThrows(check({ imageFit: 'fill', imageChannels: 'bgr', imageScale: 1 }))
  for (const given of [{ imageScale: 0.5 }, { imageMean: '1' }, { imageStd: '2' }])
    t.throws(check(given), { code: 'OPTION_INVALID', message: /scaled twice.*'input' alone/ })
})
