/** The rows that are turned at once: all of a block of up to 16 values, or 32 of a larger one. */
export function rowsAtOnce(size: number): number {
  return Math.min(size, 32)
}

/**
 * Turns the coefficients of a block into its bit planes, in place, and back.
 * Of r = `rowsAtOnce(size)` rows, plane k is the r bits from bit r * floor(k / r) on of row k modulo r; bit i of a plane
 * belongs to coefficient i. Source: H. S. Warren, Hacker's Delight, 7-3 (transposing a bit matrix).
 */
export function transpose(rows: Int32Array): void {
  const count = rowsAtOnce(rows.length)
  for (let far = count >>> 1; far > 0; far >>>= 1) {
    // Of 2 * far bits the lower half.
    const mask = (0xffff_ffff / ((1 << far) + 1)) | 0
    for (let group = 0; group < rows.length; group += 2 * far) {
      for (let i = group; i < group + far; i++) {
        const low = rows[i] ?? 0
        const high = rows[i + far] ?? 0
        const swapped = ((low >>> far) ^ high) & mask
        rows[i] = low ^ (swapped << far)
        rows[i + far] = high ^ swapped
      }
    }
  }
}
