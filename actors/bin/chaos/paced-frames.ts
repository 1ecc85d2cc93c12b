import { setTimeout } from 'node:timers/promises'

/** Frames without end, made one by one as they are pulled: as fast as that, or at a rate. */
export class PacedFrames<T> {
  made = 0
  private intervalMs = 0
  private nextAt = 0
  private stopping = false

  constructor(private readonly frame: (sequence: number) => T) {}

  /** @param fps  at most so many a second; Infinity: as fast as they are pulled */
  pace(fps: number): void {
    this.intervalMs = 1_000 / fps
    this.nextAt = performance.now()
  }

  /** As fast as they are pulled, for a while. @returns what ends that */
  hurry(): () => void {
    const { intervalMs } = this
    this.intervalMs = 0
    return () => {
      this.intervalMs = intervalMs
      this.nextAt = performance.now()
    }
  }

  /** No further frame is made. */
  stop(): void {
    this.stopping = true
  }

  async *source(): AsyncGenerator<T> {
    while (!this.stopping) {
      const waitMs = this.intervalMs === 0 ? 0 : this.nextAt - performance.now()
      if (waitMs > 0.5) await setTimeout(waitMs)
      // What was held back is not caught up with.
      this.nextAt = Math.max(this.nextAt, performance.now() - this.intervalMs) + this.intervalMs
      yield this.frame(this.made++)
    }
  }
}
