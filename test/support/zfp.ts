import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { type ZfpMode } from '../../core/codec/zfp/index.js'
import { elementCount } from '../../core/tensor.js'

const LIMIT_MS = 60_000

/** Whether the reference program is installed (Debian: apt-get install zfp). */
export function hasZfp(): boolean {
  return spawnSync('zfp', ['-h']).error === undefined
}

/** What the program makes of values. @param flags  the mode, and `-h` for a header */
export function zfpCompress(
  values: Float32Array,
  dims: readonly number[],
  flags: readonly string[],
): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  return zfp(bytes, ['-i', '-', '-z', '-', ...shapeFlags(dims), ...flags])
}

/** What the program makes of a stream. @param dims  left out: those of its header */
export function zfpDecompress(
  stream: Uint8Array,
  flags: readonly string[],
  dims?: readonly number[],
): Float32Array {
  const shape = dims === undefined ? ['-h'] : shapeFlags(dims)
  return new Float32Array(new Uint8Array(zfp(stream, ['-z', '-', '-o', '-', ...shape, ...flags])).buffer)
}

function shapeFlags(dims: readonly number[]): string[] {
  return ['-f', `-${dims.length}`, ...dims.toReversed().map(String)]
}

function zfp(input: Uint8Array, flags: readonly string[]): Uint8Array {
  const run = spawnSync('zfp', ['-q', ...flags], { input, timeout: LIMIT_MS, maxBuffer: 2 ** 28 })
  if (run.status === 0) return run.stdout
  throw new Error(`zfp ${flags.join(' ')}: ${run.error?.message ?? run.stderr.toString()}`)
}

export function modeFlags(mode: ZfpMode): string[] {
  switch (mode.kind) {
    case 'accuracy':
      return ['-a', String(mode.tolerance)]
    case 'precision':
      return ['-p', String(mode.planes)]
    case 'rate':
      return ['-r', String(mode.bits)]
    case 'reversible':
      return ['-R']
  }
}

/** Any mode that can be. */
export const anyMode: fc.Arbitrary<ZfpMode> = fc.oneof(
  fc.constant<ZfpMode>({ kind: 'reversible' }),
  fc.record({ kind: fc.constant('precision' as const), planes: fc.integer({ min: 1, max: 64 }) }),
  fc.record({ kind: fc.constant('rate' as const), bits: fc.double({ min: 0.01, max: 64, noNaN: true }) }),
  fc.record({
    kind: fc.constant('accuracy' as const),
    tolerance: fc.integer({ min: -40, max: 20 }).map(exponent => 1.1 * 2 ** exponent),
  }),
)

/** @param most  the largest dim, by rank */
export function anyDims(most: readonly number[] = [70, 14, 9, 6]): fc.Arbitrary<readonly number[]> {
  return fc
    .integer({ min: 1, max: 4 })
    .chain(rank =>
      fc.array(fc.integer({ min: 1, max: most[rank - 1] ?? 1 }), { minLength: rank, maxLength: rank }),
    )
}

/** Values of any bits: NaN of any payload, Inf, zeros of both signs, subnormals. */
export function anyBits(dims: readonly number[]): fc.Arbitrary<Float32Array> {
  const bytes = 4 * elementCount(dims)
  return fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map(bytes => new Float32Array(new Uint8Array(bytes).buffer))
}

/** Values of magnitudes up to 2^most, of one scale or of many. */
export function finite(dims: readonly number[], most = 126): fc.Arbitrary<Float32Array> {
  const count = elementCount(dims)
  const value = fc.oneof(
    fc.double({ min: -1, max: 1, noNaN: true }),
    fc.constantFrom(0, -0, 1, -1, 0.5),
    fc.integer({ min: -149, max: 0 }).map(exponent => -(2 ** exponent)),
  )
  const values = fc.array(value, { minLength: count, maxLength: count })
  return fc
    .tuple(values, fc.integer({ min: -20, max: 20 }), fc.constantFrom(0, most))
    .map(([values, small, large]) => Float32Array.from(values, value => value * 2 ** (large || small)))
}

/** What changes slowly, so that most of its bit planes are empty: made from a seed. */
export function smooth(dims: readonly number[], seed: number): Float32Array {
  return Float32Array.from(
    { length: elementCount(dims) },
    (_, i) => Math.sin(seed + i / 5) * 3 + Math.cos((seed * i) / 50),
  )
}

export function bitsOf({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length)
}
