import { fitNonNegative } from './fit.js'

/** A block as part of the whole model, and as a session of its own. */
export interface BlockTimes {
  readonly wholeMs: number
  readonly aloneMs: number
  /** Bytes of what its session takes and gives. */
  readonly inBytes: number
  readonly outBytes: number
}

export interface BlockAndCutTimes {
  /** For each block, its share of the whole model's time. */
  readonly computeMs: readonly number[]
  /** What a cut adds to the part before it, or after it, that many bytes cross. */
  readonly cutMsBefore: (bytes: number) => number
  readonly cutMsAfter: (bytes: number) => number
}

/**
 * Blocks' times, and what cuts add to them: at its borders a part takes its tensors out of and into the layout that ONNX
 * Runtime works in, has fresh memory for what it gives, and fuses fewer sums. That shows in how much longer blocks run
 * alone.
 * @param wholeMs  of a run of the whole model
 */
export function blockAndCutTimes(blocks: readonly BlockTimes[], wholeMs: number): BlockAndCutTimes {
  // Alone a block is never faster. Where it seems to be, the machine was busy during one of its kernels in every run.
  const shares = blocks.map(block => Math.min(block.wholeMs, block.aloneMs))
  const sum = shares.reduce((total, share) => total + share, 0)
  const computeMs = shares.map(share => (sum === 0 ? wholeMs / shares.length : (share / sum) * wholeMs))
  const inner = blocks
    .map((block, i) => ({ ...block, excess: block.aloneMs - (computeMs[i] ?? 0) }))
    .slice(1, -1)
  const [perCut = 0, perByteIn = 0, perByteOut = 0] = fitNonNegative(
    inner.map(({ inBytes, outBytes, excess }) => ({ inputs: [1, inBytes, outBytes], result: excess })),
  )
  return {
    computeMs,
    cutMsBefore: bytes => perCut / 2 + perByteOut * bytes,
    cutMsAfter: bytes => perCut / 2 + perByteIn * bytes,
  }
}
