/**
 * Each stage steps through the unit interval with a stride of its own: the fractional part of the square root of one of
 * these. Such strides leave no gaps in a few steps, and no two of them move in step; stages so many apart share one.
 * Source: Kronecker sequences; Kuipers and Niederreiter, Uniform Distribution of Sequences, chapter 2.3
 */
const SQUARES = [2, 3, 5, 7, 11, 13, 17, 19] as const

/** In units of 2^-32, and odd, so that all 2^32 points are visited. */
const STRIDES = SQUARES.map(square => Math.floor((Math.sqrt(square) % 1) * 0x100000000) | 1)

/**
 * Which replica of a stage takes a frame. It follows from the frame's turn alone, so that all senders agree without a
 * word, in any order and after a restart; each replica gets its share of every run of frames, to within a few frames.
 *
 * Turns in a circle (smooth weighted round robin) would share as well, but two neighbouring stages that take turns in
 * step use some of the links between them for all their frames and others for none. Neighbours step through the interval
 * with different strides here, so that each pair of replicas gets the product of its shares, which is what a plan counts
 * on (`loadsOf`).
 * @param turn  of the frame among all that its dispatcher has sent, from 0: streams have numbers of their own, which are
 *   not even together
 * @param stage  from 0
 * @param weights  one for each replica, not negative; 0 for one that takes no frames, such as one that is suspected: its
 *   frames go to the others as their weights are
 * @returns an index of `weights`; undefined: all of them are 0
 */
export function replicaFor(turn: number, stage: number, weights: readonly number[]): number | undefined {
  if (weights.length === 1 && weights[0] !== 0) return 0
  const stride = STRIDES[stage % STRIDES.length] ?? 1
  // The first frame's point lies in the middle, so that both ends of the list have the same chance of it.
  const point = ((Math.imul(turn, stride) ^ 0x80000000) >>> 0) / 0x100000000
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return indexAt(weights, point * sum)
}

/** In the weights laid end to end, the one at `position`. */
function indexAt(weights: readonly number[], position: number): number | undefined {
  let last: number | undefined
  let end = 0
  for (const [i, weight] of weights.entries()) {
    if (weight <= 0) continue
    end += weight
    last = i
    if (position < end) return i
  }
  // Sums of fractions may end a little before where they should.
  return last
}
