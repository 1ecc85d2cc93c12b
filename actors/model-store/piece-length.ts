/** The largest piece that is asked for or sent at once, in bytes. */
export const LARGEST_PIECE = 1 << 20
/** Asked for while the link is unknown, and the least; in bytes (decision D11). */
export const FIRST_PIECE = 1 << 16
const BRISK_MS = 100
/** What a piece may take of its receiver's link (D11). */
const SLOW_MS = 250

/**
 * How much to ask for next: pieces as large as take from 100 to 250 ms, within their bounds.
 * @param length  of the piece before, in bytes
 * @param tookMs  from the request until it was there
 */
export function nextPiece(length: number, tookMs: number): number {
  if (tookMs < BRISK_MS) return Math.min(length * 2, LARGEST_PIECE)
  return tookMs > SLOW_MS ? Math.max(length / 2, FIRST_PIECE) : length
}
