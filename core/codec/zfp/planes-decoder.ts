import { type BitReader } from './bit-reader.js'
import { rowsAtOnce } from './transpose.js'

/**
 * Reads what `encodePlanes` wrote.
 * @param planes  becomes what `transpose` makes coefficients of
 * @param precision  how many planes, 1 to 32
 * @param end  a position where the stream was cut off: what would be there is taken for zeros, and a one that was
 *   announced stands there
 */
export function decodePlanes(planes: Int32Array, precision: number, reader: BitReader, end: number): void {
  const size = planes.length
  const rows = rowsAtOnce(size)
  const lowest = 32 - precision
  let known = 0
  planes.fill(0)
  for (let plane = 31; plane >= lowest && reader.position < end; plane--) {
    const row = plane & (rows - 1)
    const shift = plane & -rows
    const verbatim = Math.min(known, end - reader.position)
    for (let first = 0; first < verbatim; first += 32) {
      const count = Math.min(32, verbatim - first)
      const bits = reader.peek() & (-1 >>> (32 - count))
      reader.skip(count)
      planes[first + row] = (planes[first + row] ?? 0) | (bits << shift)
    }
    while (known < size && reader.position < end) {
      const more = reader.peek() & 1
      reader.skip(1)
      if (more === 0) break
      known += skipZeros(reader, Math.min(size - 1 - known, end - reader.position))
      const place = (known & -32) + row
      planes[place] = (planes[place] ?? 0) | (1 << ((known & 31) + shift))
      known++
    }
  }
}

/** Zeros up to a one, which is skipped too, or up to the most that there can be. */
function skipZeros(reader: BitReader, most: number): number {
  let zeros = 0
  for (;;) {
    const bits = reader.peek()
    const here = bits === 0 ? 32 : 31 - Math.clz32(bits & -bits)
    if (zeros + here >= most) {
      reader.skip(most - zeros)
      return most
    }
    zeros += here
    if (here < 32) {
      reader.skip(here + 1)
      return zeros
    }
    reader.skip(32)
  }
}
