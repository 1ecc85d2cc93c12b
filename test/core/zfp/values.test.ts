import test from 'ava'
import fc from 'fast-check'
import { decodeZfp, decodeZfpStream, encodeZfp } from '../../../core/codec/zfp/index.js'
import { codeOf } from '../../support/errors.js'
import { anyBits, anyDims, anyMode, bitsOf, finite, smooth } from '../../support/zfp.js'

const REVERSIBLE = { kind: 'reversible' } as const
/** Where the tolerance is smaller than this part of the block's largest magnitude, that part is the bound. */
const LEAST_RELATIVE = 2 ** -22

function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
}

function worstError(actual: Float32Array, expected: Float32Array): number {
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] ?? NaN))), 0)
}

test('zfp - reversible gives back every bit, of NaN, Inf, zeros of both signs and subnormals too', t => {
  const values = anyDims().chain(dims =>
    fc.tuple(fc.constant(dims), fc.oneof(anyBits(dims), finite(dims), finite(dims, -120))),
  )
  fc.assert(
    fc.property(values, ([dims, values]) => {
      const decoded = decodeZfp(encodeZfp(values, dims, REVERSIBLE), dims, REVERSIBLE)
      t.deepEqual(bitsOf(decoded), bitsOf(values))
    }),
    { numRuns: 300 },
  )
})

test('zfp - reversible keeps blocks of one odd value among zeros', t => {
  for (const bits of [0x7fc0_1234, 0xffff_ffff, 0x7f80_0000, 0x8000_0000, 1, 0x8000_0001, 0x007f_ffff]) {
    const values = new Float32Array(16)
    bitsOf(values)[5] = bits
    const decoded = decodeZfp(encodeZfp(values, [4, 4], REVERSIBLE), [4, 4], REVERSIBLE)
    t.deepEqual(bitsOf(decoded), bitsOf(values), bits.toString(16))
  }
})

test('zfp - fixed accuracy keeps its tolerance', t => {
  const tolerance = fc
    .integer({ min: -60, max: 127 })
    .chain(exponent => fc.double({ min: 1, max: 2, noNaN: true }).map(factor => factor * 2 ** exponent))
  // One block, so that its largest magnitude is known.
  const values = anyDims([4, 4, 4, 4]).chain(dims => fc.tuple(fc.constant(dims), finite(dims)))
  fc.assert(
    fc.property(values, tolerance, ([dims, values], tolerance) => {
      const mode = { kind: 'accuracy', tolerance } as const
      const error = worstError(decodeZfp(encodeZfp(values, dims, mode), dims, mode), values)
      t.true(error <= Math.max(tolerance, LEAST_RELATIVE * largest(values)), `${error}`)
    }),
    { numRuns: 500 },
  )
})

test('zfp - fixed accuracy takes less, the more it may be off', t => {
  const dims = [30, 31]
  const lengths = [1e-5, 1e-3, 1e-1, 100].map(
    tolerance => encodeZfp(smooth(dims, 3), dims, { kind: 'accuracy', tolerance }).byteLength,
  )
  t.deepEqual(
    lengths,
    lengths.toSorted((a, b) => b - a),
  )
  t.true((lengths[3] ?? Infinity) * 20 < (lengths[0] ?? 0))
})

test('zfp - a fixed rate takes as many bits as it says, whatever the values', t => {
  const dims = [9, 10, 11]
  const blocks = 3 * 3 * 3
  for (const bits of [1, 4.5, 16, 64]) {
    const lengths = [smooth(dims, 1), new Float32Array(990)].map(
      values => encodeZfp(values, dims, { kind: 'rate', bits }).byteLength,
    )
    const expected = Math.ceil((blocks * 64 * bits) / 8)
    t.deepEqual(lengths, [expected, expected])
  }
})

test('zfp - all planes, or a rate that has room for them, are off by next to nothing', t => {
  const values = anyDims([4, 4, 4, 4]).chain(dims => fc.tuple(fc.constant(dims), finite(dims)))
  fc.assert(
    fc.property(values, ([dims, values]) => {
      for (const mode of [
        { kind: 'precision', planes: 64 },
        { kind: 'rate', bits: 64 },
      ] as const) {
        const error = worstError(decodeZfp(encodeZfp(values, dims, mode), dims, mode), values)
        t.true(error <= LEAST_RELATIVE * largest(values), `${mode.kind}: ${error}`)
      }
    }),
    { numRuns: 200 },
  )
})

test('zfp - values below 2^-97 are not lost in lossy modes', t => {
  const values = smooth([8, 8], 2).map(value => value * 2 ** -110)
  const mode = { kind: 'precision', planes: 24 } as const
  const error = worstError(decodeZfp(encodeZfp(values, [8, 8], mode), [8, 8], mode), values)
  t.true(error < 1e-4 * largest(values))
})

test('zfp - a header says dims and mode', t => {
  const values = anyDims().chain(dims => fc.tuple(fc.constant(dims), finite(dims)))
  fc.assert(
    fc.property(values, anyMode, ([dims, values], mode) => {
      const decoded = decodeZfpStream(encodeZfp(values, dims, mode, { header: true }))
      t.deepEqual(decoded.dims, dims)
      t.deepEqual(bitsOf(decoded.values), bitsOf(decodeZfp(encodeZfp(values, dims, mode), dims, mode)))
    }),
    { numRuns: 200 },
  )
})

test('zfp - tensors and streams may lie anywhere in larger memory', t => {
  const values = smooth([50], 4)
  const around = new Float32Array(60)
  around.set(values, 7)
  const stream = encodeZfp(around.subarray(7, 57), [50], REVERSIBLE)
  const shifted = new Uint8Array(stream.byteLength + 20).fill(0xff)
  shifted.set(stream, 3)
  t.deepEqual(decodeZfp(shifted.subarray(3, 3 + stream.byteLength), [50], REVERSIBLE), values)
})

test('zfp - lossy modes refuse NaN and Inf', t => {
  for (const odd of [NaN, Infinity, -Infinity]) {
    for (const mode of [
      { kind: 'accuracy', tolerance: 1 },
      { kind: 'precision', planes: 8 },
      { kind: 'rate', bits: 8 },
    ] as const) {
      const error = t.throws(() => encodeZfp(Float32Array.of(1, 2, odd), [3], mode))
      t.regex(error?.message ?? '', /reversible/)
      t.is(
        codeOf(() => encodeZfp(Float32Array.of(1, 2, odd), [3], mode)),
        'WIRE_OVERFLOW',
      )
    }
  }
})

test('zfp - dims and modes that cannot be are refused', t => {
  for (const dims of [[], [0], [5], [2, 2, 2], [1, 1, 1, 1, 4], [-2, -2], [0.5, 8], [NaN]]) {
    t.is(
      codeOf(() => encodeZfp(new Float32Array(4), dims, REVERSIBLE)),
      'TENSOR_INVALID',
      String(dims),
    )
  }
  t.is(
    codeOf(() => decodeZfp(new Uint8Array(8), [0], REVERSIBLE)),
    'TENSOR_INVALID',
  )
  for (const mode of [
    { kind: 'accuracy', tolerance: 0 },
    { kind: 'accuracy', tolerance: NaN },
    { kind: 'accuracy', tolerance: Infinity },
    { kind: 'precision', planes: 0 },
    { kind: 'precision', planes: 65 },
    { kind: 'precision', planes: 1.5 },
    { kind: 'rate', bits: 0 },
    { kind: 'rate', bits: 65 },
  ] as const) {
    t.is(
      codeOf(() => encodeZfp(new Float32Array(4), [4], mode)),
      'OPTION_INVALID',
      JSON.stringify(mode),
    )
  }
  t.is(
    codeOf(() => encodeZfp(new Float32Array(5000), [1, 1, 1, 5000], REVERSIBLE, { header: true })),
    'TENSOR_INVALID',
  )
})
