/**
 * Decorrelating transforms of a block, in place: of each line of four along each dimension in turn.
 * Source: P. Lindstrom, Fixed-Rate Compressed Floating-Point Arrays, IEEE TVCG 20(12), 2014, and zfp's documentation
 * (Algorithm). All arithmetic is modulo 2^32.
 */

/** Transforms, in place, the four values that begin at `i` and are `step` apart. */
type Line = (block: Int32Array, i: number, step: number) => void

/** Lossy: near to orthogonal. Values of magnitude up to 2^30 stay so; low bits are lost. */
export function forwardLift(block: Int32Array): void {
  for (let step = 1; step < block.length; step *= 4) alongDimension(block, step, liftLine)
}

/** The inverse of `forwardLift` but for the bits that this lost. */
export function inverseLift(block: Int32Array): void {
  for (let step = block.length >>> 2; step > 0; step >>>= 2) alongDimension(block, step, lowerLine)
}

/** Lossless: third differences, in the middle of which are first and second ones. */
export function forwardDifferences(block: Int32Array): void {
  for (let step = 1; step < block.length; step *= 4) alongDimension(block, step, differLine)
}

/** The inverse of `forwardDifferences`. */
export function inverseDifferences(block: Int32Array): void {
  for (let step = 1; step < block.length; step *= 4) alongDimension(block, step, sumLine)
}

/** @param step  from one value of a line to the next: 1, 4, 16 or 64 */
function alongDimension(block: Int32Array, step: number, line: Line): void {
  for (let group = 0; group < block.length; group += 4 * step) {
    for (let i = group; i < group + step; i++) line(block, i, step)
  }
}

function liftLine(block: Int32Array, i: number, step: number): void {
  let x = block[i] ?? 0
  let y = block[i + step] ?? 0
  let z = block[i + 2 * step] ?? 0
  let w = block[i + 3 * step] ?? 0
  x = (x + w) >> 1
  w = (w - x) | 0
  z = (z + y) >> 1
  y = (y - z) | 0
  x = (x + z) >> 1
  z = (z - x) | 0
  w = (w + y) >> 1
  y = (y - w) | 0
  w = (w + (y >> 1)) | 0
  y = (y - (w >> 1)) | 0
  block[i] = x
  block[i + step] = y
  block[i + 2 * step] = z
  block[i + 3 * step] = w
}

function lowerLine(block: Int32Array, i: number, step: number): void {
  let x = block[i] ?? 0
  let y = block[i + step] ?? 0
  let z = block[i + 2 * step] ?? 0
  let w = block[i + 3 * step] ?? 0
  y = (y + (w >> 1)) | 0
  w = (w - (y >> 1)) | 0
  y = (y + w) | 0
  w = ((w << 1) - y) | 0
  z = (z + x) | 0
  x = ((x << 1) - z) | 0
  y = (y + z) | 0
  z = ((z << 1) - y) | 0
  w = (w + x) | 0
  x = ((x << 1) - w) | 0
  block[i] = x
  block[i + step] = y
  block[i + 2 * step] = z
  block[i + 3 * step] = w
}

function differLine(block: Int32Array, i: number, step: number): void {
  const x = block[i] ?? 0
  const y = block[i + step] ?? 0
  const z = block[i + 2 * step] ?? 0
  const w = block[i + 3 * step] ?? 0
  const [xy, yz, zw] = [(y - x) | 0, (z - y) | 0, (w - z) | 0]
  const [xyz, yzw] = [(yz - xy) | 0, (zw - yz) | 0]
  block[i + step] = xy
  block[i + 2 * step] = xyz
  block[i + 3 * step] = (yzw - xyz) | 0
}

function sumLine(block: Int32Array, i: number, step: number): void {
  const x = block[i] ?? 0
  const xy = block[i + step] ?? 0
  const xyz = block[i + 2 * step] ?? 0
  const xyzw = block[i + 3 * step] ?? 0
  const yz = (xyz + xy) | 0
  const y = (xy + x) | 0
  const yzw = (xyzw + xyz) | 0
  const z = (yz + y) | 0
  block[i + step] = y
  block[i + 2 * step] = z
  block[i + 3 * step] = (yzw + yz + z) | 0
}
