import test from 'ava'
import fc from 'fast-check'
import { argMax, halfToFloat, relativeError } from '../../core/compare.js'
import { type Tensors } from '../../core/tensor.js'

function floats(...data: number[]): Tensors {
  return { y: { dtype: 'float64', dims: [data.length], data: Float64Array.from(data) } }
}

function halves(...bits: number[]): Tensors {
  return { y: { dtype: 'float16', dims: [bits.length], data: Uint16Array.from(bits) } }
}

function int64s(...data: bigint[]): Tensors {
  return { y: { dtype: 'int64', dims: [data.length], data: BigInt64Array.from(data) } }
}

function texts(...data: string[]): Tensors {
  return { y: { dtype: 'string', dims: [data.length], data } }
}

const { NaN: nan, POSITIVE_INFINITY: inf } = Number

test('the relative error - is the largest distance over the largest magnitude of what is expected', t => {
  t.is(relativeError(floats(1, 2, 4.5), floats(1, 2, 4)), 0.5 / 4)
  t.is(relativeError(floats(0.5, -10), floats(0, -10)), 0.05)
  t.is(relativeError(floats(20), floats(10)), 1)
  t.is(relativeError(floats(10), floats(20)), 0.5)
})

test('the relative error - is the absolute one where everything expected is below 1e-6', t => {
  t.is(relativeError(floats(3e-7, 0), floats(1e-7, 0)), 2e-7)
  t.is(relativeError(floats(0.25), floats(0)), 0.25)
  t.true(Math.abs(relativeError(floats(3e-6), floats(2e-6)) - 0.5) < 1e-9)
})

test('the relative error - is that of the worst output', t => {
  const both = (a: number, b: number): Tensors => ({
    ...floats(a),
    z: { dtype: 'float32', dims: [1], data: Float32Array.of(b) },
  })
  t.is(relativeError(both(1, 3), both(1, 4)), 0.25)
  t.is(relativeError(both(3, 1), both(4, 1)), 0.25)
})

test('the relative error - NaN and infinities must stand in the same places', t => {
  t.is(relativeError(floats(nan, inf, -inf, 2), floats(nan, inf, -inf, 2)), 0)
  t.is(relativeError(floats(inf, 3), floats(inf, 4)), 0.25)
  for (const [a, b] of [
    [nan, 1],
    [1, nan],
    [inf, -inf],
    [inf, 1],
    [1, inf],
    [nan, inf],
  ] as const) {
    t.is(relativeError(floats(0, a), floats(0, b)), Infinity)
  }
})

test('the relative error - the signs of zeros do not matter', t => {
  t.is(relativeError(floats(-0), floats(0)), 0)
})

test('the relative error - integers and texts are equal or infinitely far', t => {
  t.is(relativeError(int64s(2n ** 62n, 1n), int64s(2n ** 62n, 1n)), 0)
  t.is(relativeError(int64s(2n ** 62n + 1n), int64s(2n ** 62n)), Infinity)
  t.is(relativeError(texts('a', ''), texts('a', '')), 0)
  t.is(relativeError(texts('a'), texts('b')), Infinity)
})

test('the relative error - float16 is compared by its values, not its bits', t => {
  t.is(relativeError(halves(0x3c00), halves(0x4000)), 0.5)
  t.is(relativeError(halves(0x7e00, 0x7c00), halves(0x7e01, 0x7c00)), 0)
  t.is(relativeError(halves(0x7c00), halves(0x7bff)), Infinity)
})

test('the relative error - other names, types or dims are infinitely far', t => {
  const y = floats(1, 2)
  const wide: Tensors = { y: { dtype: 'float64', dims: [1, 2], data: Float64Array.of(1, 2) } }
  const narrow: Tensors = { y: { dtype: 'float32', dims: [2], data: Float32Array.of(1, 2) } }
  for (const other of [{}, { z: y['y'] }, { ...y, z: y['y'] }, wide, narrow] as Tensors[]) {
    t.is(relativeError(other, y), Infinity)
    t.is(relativeError(y, other), Infinity)
  }
  t.is(relativeError({}, {}), 0)
  t.is(relativeError(floats(), floats()), 0)
})

test('the relative error - is never negative or NaN, and 0 for the same', t => {
  const data = fc.array(fc.double(), { minLength: 3, maxLength: 3 })
  fc.assert(
    fc.property(data, data, (a, b) => {
      t.true(relativeError(floats(...a), floats(...b)) >= 0)
      t.is(relativeError(floats(...a), floats(...a)), 0)
    }),
  )
})

test('binary16 - becomes the number that it stands for', t => {
  const numbers: [number, number][] = [
    [0x0000, 0],
    [0x8000, -0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x3555, 0.333251953125],
    [0x0001, 2 ** -24],
    [0x03ff, 2 ** -14 - 2 ** -24],
    [0x0400, 2 ** -14],
    [0x7c00, inf],
    [0xfc00, -inf],
    [0x7e00, nan],
    [0xfc01, nan],
  ]
  for (const [bits, value] of numbers) t.is(halfToFloat(bits), value)
})

test('the largest element - is the first of those that are largest', t => {
  t.is(argMax({ dtype: 'float32', dims: [4], data: Float32Array.of(1, 3, 3, 2) }), 1)
  t.is(argMax({ dtype: 'int64', dims: [2], data: BigInt64Array.of(-5n, -4n) }), 1)
  t.is(argMax({ dtype: 'float32', dims: [1], data: Float32Array.of(-1) }), 0)
})
