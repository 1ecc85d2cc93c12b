import { skip } from 'rxjs'
import { type Bus } from '../../core/bus.js'
import { type DispatcherReport, encodeControl } from '../../core/control/index.js'
import { Recent } from '../../core/recent.js'
import { type Topics } from '../../core/topics.js'
import { type Dispatcher } from './dispatcher.js'
import { type Epochs } from './entries.js'

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
 * again. Under which plans its frames are is published at once when that changes. Ends with the dispatcher, which says so.
 */
export function reportOn(dispatcher: Dispatcher, parts: ReportParts): void {
  const recent = new Recent()
  let epochs: Epochs = { epoch: 0, draining: [] }
  let admitted = 0
  let quiet = true
  const report = (closed = false) => reportOf(dispatcher, parts, epochs, recent, closed)
  const tell = () => {
    const counts = dispatcher.counts()
    const busy = counts.open > 0 || counts.admitted > admitted || !recent.isEmpty(Date.now())
    admitted = counts.admitted
    if (busy || !quiet) void publish(parts, report(), 0)
    quiet = !busy
  }
  const timer = setInterval(tell, parts.everyMs ?? 1_000).unref()
  dispatcher.epochs$.subscribe(next => (epochs = next))
  dispatcher.epochs$.pipe(skip(1)).subscribe(() => void publish(parts, report(), 1))
  dispatcher.ledger$.subscribe({
    next: ({ end, admittedAt, endedAt }) => {
      if (end === 'predicted') recent.record(endedAt - admittedAt, endedAt)
    },
    complete: () => clearInterval(timer),
  })
  dispatcher.beforeEnd('the last report of a dispatcher', () => publish(parts, report(true), 1))
}

function reportOf(
  dispatcher: Dispatcher,
  { id, pipeline }: ReportParts,
  { epoch, canary, draining }: Epochs,
  recent: Recent,
  closed: boolean,
): DispatcherReport {
  const now = Date.now()
  const { admitted, predicted, dropped, failed, open } = dispatcher.counts()
  const { rate, quantilesMs } = recent.summary(now)
  return {
    ...{ dispatcher: id, pipeline, epoch, draining: closed ? [] : [...draining], closed, at: now, fps: rate },
    ...(canary === undefined ? {} : { canary }),
    frames: { admitted, predicted, dropped, failed, inFlight: open },
    ...(quantilesMs === undefined ? {} : { latencyMs: quantilesMs }),
  }
}

/** What does not get through is not missed: the next one says more. */
async function publish(
  { id, pipeline, bus, topics }: ReportParts,
  report: DispatcherReport,
  qos: 0 | 1,
): Promise<void> {
  await bus
    .publish(topics.pipeline.report(pipeline, id), encodeControl(report), { qos })
    .catch(() => undefined)
}
