import { interval, merge, Subject } from 'rxjs'
import { type DispatcherReport, type Plan } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { firstWhere } from '../../core/wait.js'

/** One that has frames reports about once a second; who has been silent for longer has none. */
const RECENT_MS = 3_000
/** All that adopt a plan say so within this, also those of which nothing was heard before. */
const GRACE_MS = 1_000
/** Longer than dispatchers leave frames where they are. */
const LIMIT_MS = 7_000
const LOOK_MS = 100

interface Heard {
  readonly report: DispatcherReport
  readonly at: number
}

/** The dispatchers of one pipeline that have frames, as they say of themselves. */
export class Dispatchers {
  private readonly heard = new Map<string, Heard>()
  private readonly changes = new Subject<void>()

  constructor(private readonly now: () => number = () => performance.now()) {}

  take(report: DispatcherReport): void {
    this.heard.delete(report.dispatcher)
    if (!report.closed) this.heard.set(report.dispatcher, { report, at: this.now() })
    this.forget()
    this.changes.next()
  }

  /** Resolves when none has frames under other epochs than a plan's, in any case after some seconds, or when stopped. */
  async left(plan: Plan, signal: AbortSignal): Promise<void> {
    const since = this.now()
    const gone = () => signal.aborted || (this.now() - since >= GRACE_MS && this.allUnder(plan))
    const late = () => new MillraceError('INTERNAL', 'a dispatcher has not left an older epoch')
    await firstWhere(merge(this.changes, interval(LOOK_MS)), gone, LIMIT_MS, late).catch(() => undefined)
  }

  private allUnder({ epoch, canary }: Plan): boolean {
    this.forget()
    return [...this.heard.values()].every(({ report }) => {
      const current = report.epoch === epoch && report.canary === canary?.plan.epoch
      return current && report.draining.length === 0
    })
  }

  private forget(): void {
    for (const [id, { at }] of this.heard) if (at < this.now() - RECENT_MS) this.heard.delete(id)
  }
}
