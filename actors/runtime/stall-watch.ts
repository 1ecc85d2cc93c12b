import { FailureDetector } from '../../core/failure-detector.js'

export interface StallLimits {
  /** Time between two signs of life. */
  readonly progressMs: number
  /** Silence that is taken for a stall, however irregular the signs were; 0: none ever is. */
  readonly stallMs: number
}

const JUDGE_MS = 100
/** Of silence beyond what is usual, that which a loaded machine causes. */
const PAUSE_SHARE = 0.5

/**
 * Calls `onStall` once when signs of life stop coming. While this process itself was held up it heard none, which says
 * nothing.
 */
export class StallWatch {
  private readonly detector: FailureDetector
  private readonly timer: NodeJS.Timeout
  private judgedAt = performance.now()

  constructor(
    { progressMs, stallMs }: StallLimits,
    private readonly onStall: () => void,
  ) {
    const mostMs = Math.max(stallMs, 2 * progressMs)
    const settings = { expectedMs: progressMs, acceptablePauseMs: PAUSE_SHARE * stallMs, mostMs }
    this.detector = new FailureDetector(settings, this.judgedAt)
    this.timer = setInterval(() => this.judge(), JUDGE_MS)
    if (stallMs === 0) this.close()
  }

  heard(): void {
    this.detector.heard(performance.now())
  }

  close(): void {
    clearInterval(this.timer)
  }

  private judge(): void {
    const now = performance.now()
    const heldUp = now - this.judgedAt - JUDGE_MS
    this.judgedAt = now
    if (heldUp > JUDGE_MS) this.detector.excuse(heldUp)
    if (!this.detector.isSuspect(now)) return
    this.close()
    this.onStall()
  }
}
