import test from 'ava'
import fc from 'fast-check'
import { halfToFloat } from '../../../core/compare.js'
import { syntheticFrame } from '../../../core/synthetic/index.js'
import {
  DTYPES,
  elementCount,
  type DType,
  type Tensor,
  tensor,
  type TensorSpec,
} from '../../../core/tensor.js'

const IMAGE: TensorSpec = { name: 'image', dtype: 'float32', dims: ['N', 3, 32, 32] }
const DTYPE_NAMES: DType[] = [...(Object.keys(DTYPES) as DType[]), 'string']

function imageOf(seed: number, index: number, dims: TensorSpec['dims'] = IMAGE.dims): number[] {
  return Array.from(syntheticFrame([{ ...IMAGE, dims }], seed, index)['image']?.data ?? [], Number)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function deviation(values: readonly number[]): number {
  const middle = mean(values)
  return Math.sqrt(mean(values.map(value => (value - middle) ** 2)))
}

/** Mean step between horizontal neighbours, against the deviation; 1.13 for independent noise. */
function roughness(values: readonly number[]): number {
  return mean(values.slice(1).map((value, i) => Math.abs(value - (values[i] ?? 0)))) / deviation(values)
}

function distinct(of: Tensor | undefined): string[] {
  return [...new Set(Array.from<unknown>(of?.data ?? []).map(String))].sort()
}

test('a synthetic frame - is valid for inputs of any type and shape, and the same again for the same seed', t => {
  const spec = fc.record({
    name: fc.constant('x'),
    dtype: fc.constantFrom(...DTYPE_NAMES),
    dims: fc.array(fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constantFrom('batch', 'width', null)), {
      maxLength: 5,
    }),
  })
  fc.assert(
    fc.property(spec, fc.integer(), fc.nat(), (one, seed, index) => {
      const { x } = syntheticFrame([one], seed, index, { width: 4 })
      const dims = one.dims.map(dim => (typeof dim === 'number' ? dim : dim === 'width' ? 4 : 1))
      t.deepEqual(x?.dims, dims)
      t.is(x?.data.length, elementCount(dims))
      if (x) t.notThrows(() => tensor(x.dtype, x.dims, x.data))
      t.deepEqual(syntheticFrame([one], seed, index, { width: 4 }), { x })
    }),
    { numRuns: 100 },
  )
})

test('a synthetic frame - differs for every seed, index and input', t => {
  const texts = [imageOf(1, 0), imageOf(1, 1), imageOf(2, 0)].map(String)
  t.is(new Set(texts).size, 3)
  const twins = syntheticFrame([IMAGE, { ...IMAGE, name: 'other' }], 1, 0)
  t.notDeepEqual(twins['image'], twins['other'])
})

test('a synthetic frame - holds a different image at each place of a batch', t => {
  const { data } = syntheticFrame([IMAGE], 1, 0, { N: 3 })['image'] ?? {}
  const texts = [0, 1, 2].map(i => String(Array.from(data ?? [], Number).slice(i * 3072, (i + 1) * 3072)))
  t.is(new Set(texts).size, 3)
})

test('a synthetic frame - of uint8 has the pixels of the same image', t => {
  const floats = imageOf(1, 0)
  const { data = [] } = syntheticFrame([{ ...IMAGE, dtype: 'uint8' }], 1, 0)['image'] ?? {}
  const pixels = Array.from(data, Number)
  t.true(Math.max(...pixels) > 10 + Math.min(...pixels))
  const steps = pixels.map((pixel, i) => pixel - 128 - 60 * (floats[i] ?? NaN))
  t.true(Math.max(...steps.map(Math.abs)) <= 1)
})

test('synthetic images - are smooth, within [-2, 2], and differ in offset, contrast and frequency', t => {
  const channels = Array.from({ length: 40 }, (_, i) => imageOf(7, i).slice(0, 1024))
  for (const values of channels) {
    t.true(Math.max(...values.map(Math.abs)) <= 2.001)
    t.true(roughness(values) < 0.8)
    t.true(deviation(values) > 0.01)
  }
  t.true(deviation(channels.map(mean)) > 0.3)
  const contrasts = channels.map(deviation)
  t.true(Math.max(...contrasts) / Math.min(...contrasts) > 4)
  const steps = channels.map(roughness)
  t.true(Math.max(...steps) / Math.min(...steps) > 2.5)
})

test('synthetic images - are as smooth where channels come last', t => {
  const values = imageOf(7, 0, [1, 32, 32, 3])
  for (const c of [0, 1, 2]) t.true(roughness(values.filter((_, i) => i % 3 === c)) < 0.8)
})

test('synthetic float16 - are the numbers of float32, rounded', t => {
  const half = syntheticFrame([{ name: 'x', dtype: 'float16', dims: [4096] }], 1, 0)['x']
  const full = syntheticFrame([{ name: 'x', dtype: 'float32', dims: [4096] }], 1, 0)['x']
  for (const [i, bits] of Array.from(half?.data ?? [], Number).entries()) {
    const expected = Number(full?.data[i])
    t.true(Math.abs(halfToFloat(bits) - expected) <= Math.max(2 ** -14, Math.abs(expected) / 2047))
  }
})

test('synthetic integers - are in the range given, and bools are 0 or 1', t => {
  const specs: TensorSpec[] = [
    { name: 'ids', dtype: 'int64', dims: ['N', 500] },
    { name: 'mask', dtype: 'bool', dims: [500] },
    { name: 'words', dtype: 'string', dims: [500] },
  ]
  const { ids, mask, words } = syntheticFrame(specs, 1, 0)
  t.true(ids?.data instanceof BigInt64Array)
  t.deepEqual(distinct(ids), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
  t.deepEqual(distinct(mask), ['0', '1'])
  t.is(distinct(words).length, 10)
  const wide = syntheticFrame(specs, 1, 0, {}, 100)['ids']?.data ?? []
  t.true(Math.max(...Array.from(wide, Number)) > 90)
})
