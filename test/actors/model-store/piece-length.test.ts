import test from 'ava'
import fc from 'fast-check'
import { FIRST_PIECE, LARGEST_PIECE, nextPiece } from '../../../actors/model-store/piece-length.js'

/** The pieces of a transfer over a link. */
function pieces(bytesPerMs: number, count: number): number[] {
  const lengths = [FIRST_PIECE]
  for (let i = 1; i < count; i++) {
    const last = lengths.at(-1) ?? NaN
    lengths.push(nextPiece(last, last / bytesPerMs))
  }
  return lengths
}

test('length of pieces - on any link each takes from 100 to 250 ms soon, within their bounds', t => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.double({ min: 1, max: 1e6, noNaN: true }), bytesPerMs => {
        const lengths = pieces(bytesPerMs, 12)
        const last = lengths.at(-1) ?? NaN
        const ms = last / bytesPerMs
        const isFair =
          (ms >= 100 && ms <= 250) ||
          (ms > 250 && last === FIRST_PIECE) ||
          (ms < 100 && last === LARGEST_PIECE)
        return isFair && lengths.every(one => one >= FIRST_PIECE && one <= LARGEST_PIECE)
      }),
    ),
  )
})

test('length of pieces - a link that becomes slower, or faster, is followed', t => {
  const slow = nextPiece(nextPiece(LARGEST_PIECE, 1_000), 500)
  t.is(slow, LARGEST_PIECE / 4)
  t.is(nextPiece(slow, 150), slow)
  t.is(nextPiece(slow, 40), 2 * slow)
})
