import { FailureDetector } from '../../core/failure-detector.js'
import { OwnPauses } from '../../core/own-pauses.js'

export interface StallLimits {
  /** Time between two signs of life. */
  readonly progressMs: number
  /** Silence that is taken for a stall, however irregular the signs were; 0: none ever is. */
  readonly stallMs: number
}

const JUDGE_MS = 100
/** Of silence beyond what is usual, that which a loaded machine causes. */
const PAUSE_SHARE = 0.5

/** Calls `onStall` once when signs of life stop coming. */
export class StallWatch {
  private readonly detector: FailureDetector
  private readonly timer: NodeJS.Timeout
  private readonly pauses = new OwnPauses(JUDGE_MS, performance.now())

  constructor(
    { progressMs, stallMs }: StallLimits,
    private readonly onStall: () => void,
  ) {
    const mostMs = Math.max(stallMs, 2 * progressMs)
    const settings = { expectedMs: progressMs, acceptablePauseMs: PAUSE_SHARE * stallMs, mostMs }
    this.detector = new FailureDetector(settings, performance.now())
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
    this.detector.excuse(this.pauses.lastMs(now))
    if (!this.detector.isSuspect(now)) return
    this.close()
    this.onStall()
  }
}
