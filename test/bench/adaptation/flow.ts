import { type Pipeline } from '../../../config/index.js'
import { randomOf } from '../../../core/synthetic/index.js'
import { type Tensors } from '../../../core/tensor.js'
import { Feed, pulledFrames } from '../../support/feed.js'

const DEADLINE_MS = 120_000
const DISTINCT = 8

/** Images that are pulled as fast as they are taken, and what comes of them. */
export class Flow {
  predicted = 0
  /** Predictions that were not the next one. */
  disorder = 0
  private readonly feed: Feed

  /** @param side  of the images, in pixels */
  constructor(
    private readonly pipeline: Pipeline,
    side: number,
  ) {
    const frames = Array.from({ length: DISTINCT }, (_, i) => frameOf(side, i))
    pipeline.predictions$.subscribe(({ sequence }) => {
      if (sequence !== this.predicted++) this.disorder++
    })
    const next = (sequence: number) => frames[sequence % DISTINCT] ?? {}
    this.feed = new Feed(pipeline, next, source => pulledFrames(pipeline, source, DEADLINE_MS))
  }

  /** What is under way comes to its end. */
  async end(): Promise<{ admitted: number; predicted: number }> {
    await this.feed.stop()
    const { admitted, predicted } = this.pipeline.counts()
    return { admitted, predicted }
  }
}

function frameOf(side: number, index: number): Tensors {
  const random = randomOf(index + 1)
  const data = Uint8Array.from({ length: 3 * side * side }, () => random.below(256))
  return { x: { dtype: 'uint8', dims: [1, 3, side, side], data } }
}
