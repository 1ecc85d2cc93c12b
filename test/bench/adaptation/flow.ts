import { map } from 'rxjs'
import { type Pipeline } from '../../../config/index.js'
import { randomOf } from '../../../core/synthetic/index.js'
import { type Tensors } from '../../../core/tensor.js'

const DEADLINE_MS = 120_000
const DISTINCT = 8

/** Frames that are pulled as fast as they are taken. */
export class Flow {
  predicted = 0
  /** Predictions that were not the next one. */
  disorder = 0
  private stopping = false
  private readonly ended: Promise<void>

  /** @param side  of the images, in pixels */
  constructor(
    private readonly pipeline: Pipeline,
    side: number,
  ) {
    const frames = Array.from({ length: DISTINCT }, (_, i) => frameOf(side, i))
    const indices = function* (this: Flow) {
      for (let index = 0; !this.stopping; index++) yield index
    }
    const flow = pipeline.pull(indices.call(this)).pipe(
      map(index => frames[index % DISTINCT] ?? {}),
      pipeline.infer({ stream: 's', deadlineMs: DEADLINE_MS, failures: 'throw' }),
    )
    this.ended = new Promise((complete, error) => {
      const next = ({ sequence }: { sequence: number }) => {
        if (sequence !== this.predicted++) this.disorder++
      }
      flow.subscribe({ next, complete, error })
    })
    this.ended.catch(() => undefined)
  }

  /** What is under way comes to its end. */
  async end(): Promise<{ admitted: number; predicted: number }> {
    this.stopping = true
    await this.ended
    const { admitted, predicted } = this.pipeline.counts()
    return { admitted, predicted }
  }
}

function frameOf(side: number, index: number): Tensors {
  const random = randomOf(index + 1)
  const data = Uint8Array.from({ length: 3 * side * side }, () => random.below(256))
  return { x: { dtype: 'uint8', dims: [1, 3, side, side], data } }
}
