import test from 'ava'
import fc from 'fast-check'
import { decodeZfp, decodeZfpStream, encodeZfp, type ZfpMode } from '../../../core/codec/zfp/index.js'
import { codeOf } from '../../support/errors.js'
import { anyDims, anyMode, smooth } from '../../support/zfp.js'

const MODES: readonly ZfpMode[] = [
  { kind: 'accuracy', tolerance: 1e-3 },
  { kind: 'precision', planes: 12 },
  { kind: 'rate', bits: 6 },
  { kind: 'reversible' },
]
const MOST_BYTES = 2 ** 20
const HEADER = Uint8Array.from([...'zfp'].map(letter => letter.charCodeAt(0)).concat(5))

/** undefined or ZFP_INVALID, or the test fails. */
function refusesAtMost(t: { true(value: boolean, message?: string): void }, run: () => unknown): void {
  const code = codeOf(run)
  t.true(code === undefined || code === 'ZFP_INVALID', String(code))
}

test('zfp - a stream that was cut off is refused, wherever', t => {
  const dims = [5, 9]
  for (const mode of MODES) {
    const stream = encodeZfp(smooth(dims, 1), dims, mode, { header: true })
    for (let length = 0; length < stream.byteLength; length++) {
      t.is(
        codeOf(() => decodeZfpStream(stream.subarray(0, length))),
        'ZFP_INVALID',
        `${mode.kind} ${length}`,
      )
    }
  }
})

test('zfp - a stream with something behind it is refused, but not what fills up a word', t => {
  const dims = [5, 9]
  for (const mode of MODES) {
    const stream = encodeZfp(smooth(dims, 1), dims, mode)
    const longer = (by: number) => {
      const bytes = new Uint8Array(stream.byteLength + by)
      bytes.set(stream)
      return codeOf(() => decodeZfp(bytes, dims, mode))
    }
    t.is(longer(7), undefined)
    t.is(longer(8), 'ZFP_INVALID')
  }
})

test('zfp - the wrong dims are refused', t => {
  for (const mode of MODES) {
    const stream = encodeZfp(smooth([20, 30], 2), [20, 30], mode)
    for (const dims of [[20, 60], [10, 15], [600_000], [4096, 4096, 4096, 4096]]) {
      t.is(
        codeOf(() => decodeZfp(stream, dims, mode)),
        'ZFP_INVALID',
        `${mode.kind} ${dims.join()}`,
      )
    }
  }
})

test('zfp - other types and versions, and blocks that cannot be, are refused', t => {
  const stream = encodeZfp(smooth([4, 4], 1), [4, 4], { kind: 'rate', bits: 8 }, { header: true })
  const changed = (byte: number, ...values: number[]) => {
    const bytes = stream.slice()
    bytes.set(values, byte)
    return codeOf(() => decodeZfpStream(bytes))
  }
  t.is(changed(3, 5), undefined)
  t.is(changed(0, 0x5a), 'ZFP_INVALID', 'letters')
  t.is(changed(3, 4), 'ZFP_INVALID', 'version')
  t.is(changed(4, 0x37), 'ZFP_INVALID', 'float64')
  t.is(changed(10, 0x40, 0), 'ZFP_INVALID', 'blocks of 5 bits')
})

test('zfp - a header that claims more than is allowed is refused before memory is taken', t => {
  const dims = [64, 64, 64]
  const zeros = encodeZfp(new Float32Array(2 ** 18), dims, { kind: 'reversible' }, { header: true })
  t.is(
    codeOf(() => decodeZfpStream(zeros, 2 ** 20 - 1)),
    'ZFP_INVALID',
  )
  t.deepEqual(decodeZfpStream(zeros, 2 ** 20).dims, dims)
  const absurd = new Uint8Array(2 ** 16).fill(0xff)
  absurd.set(HEADER)
  absurd[4] = 0xfe
  t.is(
    codeOf(() => decodeZfpStream(absurd)),
    'ZFP_INVALID',
  )
})

test('zfp - any bytes give values or ZFP_INVALID', t => {
  fc.assert(
    fc.property(anyDims(), anyMode, fc.uint8Array({ maxLength: 600 }), (dims, mode, bytes) => {
      refusesAtMost(t, () => decodeZfp(bytes, dims, mode))
    }),
    { numRuns: 500 },
  )
})

test('zfp - any bytes behind the letters give values or ZFP_INVALID', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), bytes => {
      const stream = new Uint8Array(HEADER.length + bytes.length)
      stream.set(HEADER)
      stream.set(bytes, HEADER.length)
      // Its type: without it hardly any would get past the header.
      if (stream.length > 4) stream[4] = ((stream[4] ?? 0) & ~3) | 2
      refusesAtMost(t, () => decodeZfpStream(stream, MOST_BYTES))
    }),
    { numRuns: 500 },
  )
})

test('zfp - a stream with flipped bits gives values or ZFP_INVALID', t => {
  fc.assert(
    fc.property(
      anyDims(),
      anyMode,
      fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
      (dims, mode, places) => {
        const stream = encodeZfp(smooth(dims, 1), dims, mode, { header: true })
        for (const place of places) {
          const bit = place % (8 * stream.byteLength)
          stream[bit >> 3] = (stream[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        }
        refusesAtMost(t, () => decodeZfpStream(stream, MOST_BYTES))
      },
    ),
    { numRuns: 300 },
  )
})
