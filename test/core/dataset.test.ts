import test from 'ava'
import fc from 'fast-check'
import { checkFiles, filesOf, frameOf, labelOf, parseDataset } from '../../core/dataset.js'
import { MillraceError } from '../../core/errors.js'

const PIXELS = {
  name: 'image',
  file: 'images',
  dtype: 'uint8',
  dims: [1, 2],
  as: 'float32',
  scale: 0.5,
  offset: -1,
}
const LABELS = { file: 'labels', dtype: 'uint8', output: 'logits' }
const DESCRIPTION = { name: 'three', count: 3, inputs: [PIXELS], labels: LABELS }
const FILES = { images: Uint8Array.of(0, 2, 4, 6, 8, 10), labels: Uint8Array.of(7, 8, 9) }

function described(changes: object) {
  return parseDataset({ ...DESCRIPTION, ...changes })
}

test('a dataset - gives each frame scaled, of the type asked for, and its label', t => {
  const dataset = described({})
  t.deepEqual(frameOf(dataset, FILES, 0), {
    image: { dtype: 'float32', dims: [1, 2], data: Float32Array.of(-1, 0) },
  })
  t.deepEqual(frameOf(dataset, FILES, 2)['image']?.data, Float32Array.of(3, 4))
  t.is(labelOf(dataset, FILES, 2), 9)
})

test('a dataset - has no labels where the description has none', t => {
  t.is(labelOf(parseDataset({ name: 'x', count: 3, inputs: [PIXELS] }), FILES, 0), undefined)
})

test('a dataset - gives values as they are stored where nothing else is asked', t => {
  const raw = { name: 'x', file: 'images', dtype: 'int16', dims: [1] }
  const frame = frameOf(described({ inputs: [raw] }), FILES, 1)
  t.deepEqual(frame, { x: { dtype: 'int16', dims: [1], data: Int16Array.of(4 + 6 * 256) } })
})

test('a dataset - gives small integers as the int64 that token models take', t => {
  const ids = { name: 'ids', file: 'images', dtype: 'uint8', dims: [2], as: 'int64' }
  t.deepEqual(frameOf(described({ inputs: [ids] }), FILES, 1)['ids']?.data, BigInt64Array.of(4n, 6n))
})

test('a dataset - reads 64-bit integers as floats too', t => {
  const wide = { name: 'x', file: 'wide', dtype: 'int64', dims: [1], as: 'float32', scale: 2 }
  const wideFile = new Uint8Array(BigInt64Array.of(-1n, 2n, 3n).buffer)
  const dataset = described({ inputs: [wide], labels: undefined })
  t.deepEqual(frameOf(dataset, { wide: wideFile }, 0)['x']?.data, Float32Array.of(-2))
})

test('a dataset - gives frames in memory of their own, whose buffer may be handed away', t => {
  const raw = { name: 'x', file: 'images', dtype: 'uint8', dims: [2] }
  const file = Buffer.from(FILES.images)
  const { data } = frameOf(described({ inputs: [raw] }), { images: file }, 1)['x'] ?? {}
  t.deepEqual(data, Uint8Array.of(4, 6))
  t.true(data instanceof Uint8Array && data.buffer.byteLength === 2)
  file.fill(0)
  t.deepEqual(data, Uint8Array.of(4, 6))
})

test('a dataset - names each file to read once', t => {
  const second = { ...PIXELS, name: 'again' }
  t.deepEqual(filesOf(described({ inputs: [PIXELS, second] })), ['images', 'labels'])
})

const REFUSED: readonly [string, object, RegExp][] = [
  ['an unknown key', { frames: 3 }, /frames/],
  ['an unknown key inside', { inputs: [{ ...PIXELS, shape: [1] }] }, /inputs\.0\.shape/],
  ['a missing count', { count: undefined }, /count/],
  ['a count of zero', { count: 0 }, /count/],
  ['an unknown type', { inputs: [{ ...PIXELS, dtype: 'float8' }] }, /inputs\.0\.dtype/],
  ['a free dim', { inputs: [{ ...PIXELS, dims: ['batch', 2] }] }, /inputs\.0\.dims\.0/],
  ['an empty dim', { inputs: [{ ...PIXELS, dims: [0, 2] }] }, /inputs\.0\.dims\.0/],
  ['no inputs', { inputs: [] }, /inputs/],
  ['two inputs of a name', { inputs: [PIXELS, PIXELS] }, /inputs.*same name/],
  ['scaling of integers', { inputs: [{ ...PIXELS, as: 'int32' }] }, /inputs\.0\.as/],
  ['scaling without a type', { inputs: [{ ...PIXELS, as: undefined }] }, /inputs\.0\.as/],
  [
    'floats as integers',
    { inputs: [{ name: 'x', file: 'f', dtype: 'float32', dims: [1], as: 'int64' }] },
    /inputs\.0\.as/,
  ],
  ['labels without an output', { labels: { file: 'labels', dtype: 'uint8' } }, /labels\.output/],
]

for (const [what, changes, path] of REFUSED) {
  test(`a dataset description - is refused for ${what}, with the key's path`, t => {
    t.like(
      t.throws(() => described(changes)),
      { code: 'DATASET_INVALID' },
    )
    t.throws(() => described(changes), { message: path })
  })
}

test('a dataset description - is refused, and never crashes the reader, whatever JSON it is', t => {
  fc.assert(
    fc.property(fc.jsonValue(), json => {
      const error = t.throws(() => parseDataset(json))
      return error instanceof MillraceError && error.code === 'DATASET_INVALID'
    }),
    { numRuns: 50 },
  )
})

test('files of a dataset - must have the size that count and dims make', t => {
  const dataset = described({})
  t.notThrows(() => checkFiles(dataset, FILES))
  t.throws(() => checkFiles(dataset, { ...FILES, images: FILES.images.subarray(1) }), {
    message: /5 bytes.*make 6/,
  })
  t.throws(() => checkFiles(dataset, { ...FILES, labels: new Uint8Array(4) }), {
    message: /labels.*4 bytes.*make 3/,
  })
  t.throws(() => checkFiles(dataset, { images: FILES.images }), { message: /'labels' was not read/ })
})

test('frames of a dataset - are numbered from 0 to count - 1', t => {
  const dataset = described({})
  for (const index of [-1, 3, 0.5]) {
    t.like(
      t.throws(() => frameOf(dataset, FILES, index)),
      { code: 'DATASET_INVALID' },
    )
    t.throws(() => labelOf(dataset, FILES, index), { message: /has 3 frames/ })
  }
})
