import { type BitWriter } from './bit-writer.js'
import { rowsAtOnce } from './transpose.js'

/**
 * Writes bit planes of a block, from the highest on, so that a stream may be cut off anywhere: of each plane as it is the
 * coefficients that some plane above had a one of, or that stand before such; of the others whether there is another
 * one, and then zeros up to it and the one.
 * @param planes  as `transpose` leaves them
 * @param precision  how many planes, 1 to 32
 * @param end  a position; what would be past it is left out
 */
export function encodePlanes(planes: Int32Array, precision: number, writer: BitWriter, end: number): void {
  const size = planes.length
  const rows = rowsAtOnce(size)
  const mask = rows === 32 ? -1 : (1 << rows) - 1
  const lowest = 32 - precision
  // Coefficients that are known not to be zero, or stand before such.
  let known = 0
  for (let plane = 31; plane >= lowest && writer.position < end; plane--) {
    const verbatim = known
    const shift = plane & -rows
    for (let first = 0, row = plane & (rows - 1); first < size; first += 32, row += 32) {
      let bits = ((planes[row] ?? 0) >>> shift) & mask
      const old = verbatim - first
      if (old >= 32) {
        writer.put(bits, 32)
        continue
      }
      if (old > 0) {
        writer.put(bits & ((1 << old) - 1), old)
        bits &= -1 << old
      }
      while (bits !== 0) {
        const next = first + 31 - Math.clz32(bits & -bits)
        putOne(writer, next - known, next < size - 1)
        known = next + 1
        bits &= bits - 1
      }
    }
    if (known < size) writer.put(0, 1)
  }
  if (writer.position > end) writer.moveTo(end)
}

/** That there is another one; the zeros before it; it, unless it can be nowhere else. */
function putOne(writer: BitWriter, zeros: number, told: boolean): void {
  let left = zeros
  if (left < 31) {
    writer.put(told ? 1 | (2 << left) : 1, told ? left + 2 : left + 1)
    return
  }
  writer.put(1, 32)
  for (left -= 31; left > 31; left -= 32) writer.put(0, 32)
  writer.put(told ? 1 << left : 0, told ? left + 1 : left)
}
