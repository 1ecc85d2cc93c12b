import { type Bus } from '../../core/bus.js'
import { type DispatcherReport, encodeControl } from '../../core/control.js'
import { Recent } from '../../core/recent.js'
import { type Topics } from '../../core/topics.js'
import { type Dispatcher } from './dispatcher.js'

export interface ReportParts {
  readonly id: string
  readonly pipeline: string
  /** For control messages. */
  readonly bus: Bus
  readonly topics: Topics
  /** Between two reports. Default a second. */
  readonly everyMs?: number
}

/**
 * Publishes how a dispatcher fares while it has frames, and once more when it has none; then nothing until it has some
 * again. Ends with the dispatcher.
 */
export function reportOn(dispatcher: Dispatcher, parts: ReportParts): void {
  const recent = new Recent()
  let epoch = 0
  let admitted = 0
  let quiet = true
  const tell = () => {
    const now = Date.now()
    const counts = dispatcher.counts()
    const busy = counts.open > 0 || counts.admitted > admitted || !recent.isEmpty(now)
    admitted = counts.admitted
    if (busy || !quiet) publish(parts, reportOf(dispatcher, parts, epoch, recent, now))
    quiet = !busy
  }
  const timer = setInterval(tell, parts.everyMs ?? 1_000).unref()
  dispatcher.plan$.subscribe(plan => (epoch = plan.epoch))
  dispatcher.ledger$.subscribe({
    next: ({ end, admittedAt, endedAt }) => {
      if (end === 'predicted') recent.record(endedAt - admittedAt, endedAt)
    },
    complete: () => clearInterval(timer),
  })
}

function reportOf(
  dispatcher: Dispatcher,
  { id, pipeline }: ReportParts,
  epoch: number,
  recent: Recent,
  now: number,
): DispatcherReport {
  const { admitted, predicted, dropped, failed, open } = dispatcher.counts()
  const { rate, quantilesMs } = recent.summary(now)
  return {
    ...{ dispatcher: id, pipeline, epoch, at: now, fps: rate },
    frames: { admitted, predicted, dropped, failed, inFlight: open },
    ...(quantilesMs === undefined ? {} : { latencyMs: quantilesMs }),
  }
}

/** What does not get through is not missed: the next one says more. */
function publish({ id, pipeline, bus, topics }: ReportParts, report: DispatcherReport): void {
  bus.publish(topics.pipeline.report(pipeline, id), encodeControl(report)).catch(() => undefined)
}
