import { argMax, relativeError } from '../../../core/compare.js'
import { quantile } from '../../../core/costs/index.js'
import { type Tensors } from '../../../core/tensor.js'
import { type Accuracy } from './order.js'

/** Compares predictions with what the uncut model gives, each frame once. */
export class AccuracyTally {
  private readonly errors = new Map<number, number>()
  private agreeing = 0

  /** @param expected  of each frame, with one output */
  constructor(private readonly expected: readonly Tensors[]) {}

  take(frame: number, outputs: Tensors): void {
    const expected = this.expected[frame]
    if (expected === undefined || this.errors.has(frame)) return
    this.errors.set(frame, relativeError(outputs, expected))
    if (topOf(outputs) === topOf(expected)) this.agreeing++
  }

  result(): Accuracy {
    const errors = [...this.errors.values()]
    return {
      frames: errors.length,
      maxRelativeError: Math.max(...errors),
      medianRelativeError: quantile(errors, 0.5),
      top1Agreement: this.agreeing / errors.length,
    }
  }
}

function topOf(outputs: Tensors): number | undefined {
  return Object.values(outputs).map(argMax)[0]
}
