import { type Speed } from '../../core/control/index.js'
import { relativeSpeed } from '../../core/speed.js'

export interface PaceParts {
  readonly speedOf: (worker: string) => Speed | undefined
  /** How many times slower than usual a worker is now: 1 or more. */
  readonly slowdownOf: (worker: string) => number
}

/**
 * How fast workers are, compared with one of them; one that has not measured itself counts as equally fast. Which one that
 * is matters to nobody who compares.
 */
export class Paces {
  private reference: Speed | undefined

  constructor(private readonly parts: PaceParts) {}

  /** The speed that a pace of 1 stands for; undefined while no worker that was asked about has measured itself. */
  get referenceSpeed(): Speed | undefined {
    return this.reference
  }

  /** As long as nothing slows it down. */
  usual(worker: string): number {
    const speed = this.parts.speedOf(worker)
    this.reference ??= speed
    return speed === undefined || this.reference === undefined ? 1 : relativeSpeed(speed, this.reference)
  }

  now(worker: string): number {
    return this.usual(worker) / this.slowdown(worker)
  }

  slowdown(worker: string): number {
    return this.parts.slowdownOf(worker)
  }
}
