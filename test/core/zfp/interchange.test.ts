import test, { type ExecutionContext } from 'ava'
import { decodeZfp, decodeZfpStream, encodeZfp, type ZfpMode } from '../../../core/codec/zfp/index.js'
import { bitsOf, hasZfp, modeFlags, smooth, zfpCompress, zfpDecompress } from '../../support/zfp.js'

const SIZES: readonly (readonly (readonly number[])[])[] = [
  [[1], [3], [4], [37], [128]],
  [
    [1, 1],
    [4, 4],
    [5, 2],
    [6, 11],
    [16, 8],
  ],
  [
    [1, 1, 7],
    [4, 4, 4],
    [3, 6, 5],
    [8, 4, 12],
  ],
  [
    [1, 2, 3, 4],
    [4, 4, 4, 4],
    [5, 3, 6, 7],
  ],
]

const MODES: readonly ZfpMode[] = [
  { kind: 'reversible' },
  ...[1e-6, 0.01, 0.3, 0.5, 1, 100, 1e300, 5e-324].map(
    tolerance => ({ kind: 'accuracy', tolerance }) as const,
  ),
  ...[1, 7, 16, 31, 32, 64].map(planes => ({ kind: 'precision', planes }) as const),
  ...[0.1, 1, 2.7, 8, 16, 40, 64].map(bits => ({ kind: 'rate', bits }) as const),
]

/** Smooth values, values far apart, runs of zeros as activations have, and zeros alone. */
function samples(dims: readonly number[]): Float32Array[] {
  const even = smooth(dims, dims.length)
  return [
    even,
    even.map((value, i) => value * 2 ** (((i * 37) % 60) - 30)),
    even.map((value, i) => (i % 7 < 3 ? 0 : Math.round(8 * value) / 8)),
    new Float32Array(even.length),
  ]
}

/** What only reversible mode carries. */
function oddSamples(dims: readonly number[]): Float32Array[] {
  const odd = [0x7fc0_1234, 0xff80_0000, 0x8000_0000, 1, 0x0080_0000, 0x7f7f_ffff, 0x3f80_0000]
  const even = smooth(dims, 3)
  const mixed = even.slice()
  bitsOf(mixed).forEach((_, i, bits) => (bits[i] = odd[(i * i + 3) % odd.length] ?? 0))
  return [mixed, even.map(value => value * 2 ** -100), even.map(value => value * 2 ** 126)]
}

/** Both ways, bit for bit. */
function exchange(
  t: ExecutionContext,
  values: Float32Array,
  dims: readonly number[],
  mode: ZfpMode,
  header: boolean,
) {
  const what = `${JSON.stringify(mode)} [${dims.join(', ')}]${header ? ' with a header' : ''}`
  const flags = modeFlags(mode)
  const ours = encodeZfp(values, dims, mode, { header })
  const theirs = zfpCompress(values, dims, header ? ['-h', ...flags] : flags)
  t.deepEqual(Buffer.from(ours), Buffer.from(theirs), what)
  const decoded = header ? decodeZfpStream(theirs).values : decodeZfp(theirs, dims, mode)
  const expected = header ? zfpDecompress(ours, []) : zfpDecompress(ours, flags, dims)
  t.deepEqual(bitsOf(decoded), bitsOf(expected), what)
}

for (const [i, sizes] of SIZES.entries()) {
  test(`zfp - in ${i + 1} dimensions, streams are those of the program zfp, bit for bit`, t => {
    if (!hasZfp()) {
      t.log('not tested here: zfp is not installed')
      return t.pass()
    }
    for (const dims of sizes) {
      const [plain, odd] = [samples(dims), oddSamples(dims)]
      for (const [j, mode] of MODES.entries()) {
        // Half of them for each mode, as starting the program takes its time.
        const some = plain.filter((_, k) => (j + k) % 2 === 0)
        for (const [k, values] of [...some, ...(mode.kind === 'reversible' ? odd : [])].entries()) {
          exchange(t, values, dims, mode, k % 2 === 0)
        }
      }
    }
  })
}

test('zfp - streams of limits that no mode has are read by their header', t => {
  if (!hasZfp()) {
    t.log('not tested here: zfp is not installed')
    return t.pass()
  }
  const limits = ['20 300 18 -10', '1 16658 20 -5', '64 64 9 -1074', '9 2000 64 -30'].map(one =>
    one.split(' '),
  )
  for (const dims of SIZES.flatMap(sizes => sizes.slice(-1))) {
    for (const one of limits) {
      const stream = zfpCompress(smooth(dims, 6), dims, ['-h', '-c', ...one])
      const decoded = decodeZfpStream(stream)
      t.deepEqual(decoded.dims, dims)
      t.deepEqual(bitsOf(decoded.values), bitsOf(zfpDecompress(stream, [])), one.join(' '))
    }
  }
})
