import { setTimeout } from 'node:timers/promises'
import { type Subscription as RxSubscription } from 'rxjs'
import { type Bus, type Subscription } from '../core/bus.js'
import {
  Beat,
  Birth,
  decodeControl,
  DispatcherReport,
  Findings,
  Leader,
  PipelineStatus,
  Plan,
} from '../core/control/index.js'
import { MillraceError } from '../core/errors.js'
import { levelsBelow, type Topics } from '../core/topics.js'
import { type ClusterView, viewOf } from './cluster-view.js'
import { BeatTrail } from './rates.js'

/** Who has been silent for so long is not counted on. */
const SILENT_MS = 3_000
/** Names of each kind that are kept, the newest (promise 8). */
const MOST_NAMES = 10_000
/** Rates over less say little. */
const MEASURED_MS = 1_000
/** By then dispatchers have reported, and workers that live have beaten for long enough. */
const LISTEN_MS = 1_500
const LISTEN_LIMIT_MS = 4_000
const LOOK_MS = 50

interface Timed<T> {
  readonly value: T
  /** When it was heard, in the clock of who listens. */
  readonly at: number
}

/** Listens to what a cluster says of itself, as long as the connection lasts; forgets it when that breaks. */
export class ClusterWatch {
  private leader: Leader | undefined
  private findings: Findings | undefined
  private readonly births = new Map<string, Birth>()
  private readonly trails = new Map<string, Timed<BeatTrail>>()
  private readonly plans = new Map<string, Plan>()
  private readonly statuses = new Map<string, PipelineStatus>()
  private readonly reports = new Map<string, Timed<DispatcherReport>>()
  private readonly subscriptions: Subscription[] = []
  private readonly states: RxSubscription
  private connectedAt: number | undefined

  private constructor(
    private readonly bus: Bus,
    private readonly topics: Topics,
    private readonly now: () => number,
  ) {
    // All that is retained comes again with the next connection, and what is gone meanwhile does not.
    this.states = bus.state$.subscribe(state => {
      this.connectedAt = state === 'connected' ? now() : undefined
      if (state !== 'connected') this.forget()
    })
  }

  /** @throws BUS_CLOSED, BUS_DISCONNECTED */
  static async open(bus: Bus, topics: Topics, now: () => number = performance.now.bind(performance)) {
    const watch = new ClusterWatch(bus, topics, now)
    await watch.subscribe()
    return watch
  }

  /** Whether the connection to the broker is there. */
  get connected(): boolean {
    return this.connectedAt !== undefined
  }

  /** Whether it has listened for long enough to know every worker and dispatcher and their rates, or can know no more. */
  get settled(): boolean {
    const listenedMs = this.connectedAt === undefined ? 0 : this.now() - this.connectedAt
    if (listenedMs >= LISTEN_LIMIT_MS) return true
    const measured = (worker: string) => (this.trails.get(worker)?.value.spanMs ?? 0) >= MEASURED_MS
    return listenedMs >= LISTEN_MS && [...this.births.keys()].every(measured)
  }

  view(): ClusterView {
    const { leader, findings, births, plans, statuses } = this
    const beats = this.heardOfLate(this.trails)
    const reports = [...this.heardOfLate(this.reports).values()]
    return viewOf({ leader, findings, births, plans, statuses, beats, reports })
  }

  async close(): Promise<void> {
    this.states.unsubscribe()
    await Promise.allSettled(this.subscriptions.splice(0).map(subscription => subscription.close()))
  }

  private async subscribe(): Promise<void> {
    const { worker, supervisor, pipeline } = this.topics
    const now = this.now
    await this.on(supervisor.leader, Leader, leader => (this.leader = leader))
    await this.on(supervisor.findings, Findings, findings => (this.findings = findings))
    await this.on(worker.births, Birth, (birth, name) => set(this.births, name, birth))
    await this.on(worker.beats, Beat, (beat, name) => {
      if (beat === undefined) return
      const trail = this.trails.get(name)?.value ?? new BeatTrail()
      trail.add(beat)
      set(this.trails, name, { value: trail, at: now() })
    })
    await this.on(pipeline.plans, Plan, (plan, name) => set(this.plans, name, plan))
    await this.on(pipeline.statuses, PipelineStatus, (status, name) => set(this.statuses, name, status))
    await this.on(pipeline.reports, DispatcherReport, (report, name, dispatcher) => {
      if (report?.pipeline === name) {
        set(this.reports, `${name}/${dispatcher}`, { value: report, at: now() })
      }
    })
  }

  /** @param use  is given undefined where what was retained was taken back; what cannot be read changes nothing */
  private async on<T>(
    filter: string,
    schema: Parameters<typeof decodeControl<T>>[0],
    use: (value: T | undefined, name: string, inner: string) => void,
  ): Promise<void> {
    const subscription = await this.bus.subscribe(
      filter,
      ({ topic, payload }) => {
        const value = decodeControl(schema, payload)
        const [, name = '', , inner = ''] = levelsBelow(this.topics.root, topic) ?? []
        if (value !== undefined || payload.byteLength === 0) use(value, name, inner)
      },
      { qos: 1 },
    )
    this.subscriptions.push(subscription)
  }

  private heardOfLate<T>(timed: Map<string, Timed<T>>): Map<string, T> {
    const since = this.now() - SILENT_MS
    for (const [name, { at }] of timed) if (at < since) timed.delete(name)
    return new Map([...timed].map(([name, { value }]) => [name, value]))
  }

  private forget(): void {
    this.leader = this.findings = undefined
    for (const map of [this.births, this.trails, this.plans, this.statuses, this.reports]) map.clear()
  }
}

/**
 * Listens to a cluster until its rates are known, for 4 s at most.
 * @throws BUS_DISCONNECTED, BUS_CLOSED
 */
export async function viewCluster(bus: Bus, topics: Topics): Promise<ClusterView> {
  const watch = await ClusterWatch.open(bus, topics)
  try {
    while (!watch.settled && watch.connected) await setTimeout(LOOK_MS)
    if (watch.connected) return watch.view()
    throw new MillraceError('BUS_DISCONNECTED', 'the connection was lost while the cluster was listened to')
  } finally {
    await watch.close()
  }
}

function set<T>(map: Map<string, T>, name: string, value: T | undefined): void {
  map.delete(name)
  if (value === undefined) return
  map.set(name, value)
  const [oldest] = map.keys()
  if (map.size > MOST_NAMES && oldest !== undefined) map.delete(oldest)
}
