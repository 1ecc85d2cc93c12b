import { type Observable, Subject } from 'rxjs'
import { type Actual, type Beat, type Birth, type Speed } from '../../core/control/index.js'
import { quantile } from '../../core/costs/index.js'
import { FailureDetector } from '../../core/failure-detector.js'
import { OwnPauses } from '../../core/own-pauses.js'
import { LiveLinks } from './live-links.js'
import { LiveLoads } from './live-loads.js'

export interface WorkerView {
  readonly birth: Birth
  readonly beat: Beat
  readonly actual: Actual | undefined
}

export interface Silence {
  /** On top of what a worker's beats have shown so far. */
  readonly acceptablePauseMs: number
  /** However irregular its beats were. */
  readonly deadAfterMs: number
}

/** A worker that beats. */
interface Heard {
  readonly beat: Beat
  readonly detector: FailureDetector
  readonly suspect: boolean
}

/** How often silence is judged. */
const JUDGE_MS = 100
/** Nobody waits longer than this for the first beat of a worker that beats seldom. */
const LONGEST_SETTLING_MS = 1_000
/** Of workers that do not say how often they beat. */
const USUAL_BEAT_MS = 250

/**
 * The workers of the cluster, as their births, beats, deaths and actual states tell, in whatever order these come. A
 * retained birth proves nothing: a worker is alive once it has beaten, and until its silence is suspicious (decision
 * D4).
 */
export class WorkerRegistry {
  private readonly births = new Map<string, Birth>()
  /** As it was last known, also of those that are gone. */
  private readonly speeds = new Map<string, Speed>()
  /** How many times as long as their speeds say workers took when they last rehearsed a plan. */
  private readonly rehearsals = new Map<string, number>()
  private readonly actuals = new Map<string, Actual>()
  /** Between workers. */
  readonly links: LiveLinks
  readonly loads: LiveLoads
  private readonly heard = new Map<string, Heard>()
  /** When births were heard of, which may be long after. */
  private readonly announcedAt = new Map<string, number>()
  /** Until when workers that nothing was heard of are waited for. */
  private readonly expected = new Map<string, number>()
  private readonly changes = new Subject<void>()
  private readonly pauses: OwnPauses

  constructor(
    private readonly silence: Silence,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.links = new LiveLinks(now)
    this.loads = new LiveLoads(now)
    this.pauses = new OwnPauses(JUDGE_MS, now())
  }

  /** How many times as long as its speed says a worker takes, as it was rehearsed; as the others do where it was not. */
  rehearsedSlowdown(worker: string): number {
    const { rehearsals } = this
    const usual = rehearsals.size === 0 ? 1 : quantile([...rehearsals.values()], 0.5)
    return rehearsals.get(worker) ?? usual
  }

  rehearsed(worker: string, slowdown: number): void {
    this.rehearsals.set(worker, slowdown)
  }

  /** After each change of what is known, beats included. */
  get change$(): Observable<void> {
    return this.changes.asObservable()
  }

  /** Judges silence from now on. @returns what ends that */
  watch(): () => void {
    const timer = setInterval(() => this.judge(), JUDGE_MS)
    return () => clearInterval(timer)
  }

  born(birth: Birth): void {
    const known = this.births.get(birth.worker)
    if (known !== undefined && known.incarnation > birth.incarnation) return
    if (known?.incarnation !== birth.incarnation) {
      this.announcedAt.set(birth.worker, this.now())
      this.links.forget(birth.worker)
      this.loads.forget(birth.worker)
      this.rehearsals.delete(birth.worker)
    }
    this.births.set(birth.worker, birth)
    if (birth.speed !== undefined) this.speeds.set(birth.worker, birth.speed)
    this.changes.next()
  }

  /** Its birth was taken back: it left as intended. */
  left(worker: string): void {
    this.births.delete(worker)
    this.announcedAt.delete(worker)
    this.actuals.delete(worker)
    this.heard.delete(worker)
    this.links.forget(worker)
    this.loads.forget(worker)
    this.changes.next()
  }

  /** Waits for workers that were there, while they find their way back to a broker that has forgotten them. */
  expect(workers: Iterable<string>, forMs: number): void {
    for (const worker of workers) this.expected.set(worker, this.now() + forMs)
  }

  /** A hint: a beat of the same incarnation that comes later makes it live again. */
  died(worker: string, incarnation: number): void {
    if (this.heard.get(worker)?.beat.incarnation !== incarnation) return
    this.heard.delete(worker)
    this.changes.next()
  }

  beaten(beat: Beat): void {
    const known = this.heard.get(beat.worker)
    if (known !== undefined && known.beat.incarnation > beat.incarnation) return
    const goesOn = known?.beat.incarnation === beat.incarnation
    const detector = goesOn ? known.detector : this.detectorOf(beat.worker)
    if (goesOn) detector.heard(this.now())
    this.heard.set(beat.worker, { beat, detector, suspect: false })
    this.loads.beaten(beat, this.births.get(beat.worker)?.quota)
    this.changes.next()
  }

  reported(actual: Actual): void {
    const known = this.actuals.get(actual.worker)
    if (known !== undefined && known.incarnation > actual.incarnation) return
    this.actuals.set(actual.worker, actual)
    this.links.report(actual.worker, actual.links ?? [])
    this.changes.next()
  }

  /** Notices who has been silent for too long. */
  judge(): void {
    const now = this.now()
    const heldUpMs = this.pauses.lastMs(now)
    let changed = false
    for (const [worker, one] of this.heard) {
      one.detector.excuse(heldUpMs)
      if (one.suspect || !one.detector.isSuspect(now)) continue
      this.heard.set(worker, { ...one, suspect: true })
      changed = true
    }
    if (changed) this.changes.next()
  }

  /** The worker, if it is alive. */
  get(worker: string): WorkerView | undefined {
    const birth = this.births.get(worker)
    const heard = this.heard.get(worker)
    if (birth === undefined || heard?.beat.incarnation !== birth.incarnation || heard.suspect)
      return undefined
    const actual = this.actuals.get(worker)
    return { birth, beat: heard.beat, actual: actual?.incarnation === birth.incarnation ? actual : undefined }
  }

  /** Live workers, in the natural order of their names. */
  alive(): WorkerView[] {
    return [...this.births.keys()]
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      .map(worker => this.get(worker))
      .filter(view => view !== undefined)
  }

  /** As one that is alive, or was, has said of itself. */
  speedOf(worker: string): Speed | undefined {
    return this.speeds.get(worker)
  }

  /** Of the last birth that was heard of, of one that may be silent; undefined: of none, or it left. */
  incarnationOf(worker: string): number | undefined {
    return this.births.get(worker)?.incarnation
  }

  /** Since its birth was heard of, in ms; Infinity where it was not. */
  announcedMs(worker: string): number {
    return this.now() - (this.announcedAt.get(worker) ?? -Infinity)
  }

  /** Whether a worker that was born, among some or any, has had no time to beat yet since that was heard of. */
  isSettling(among?: ReadonlySet<string>): boolean {
    const { acceptablePauseMs } = this.silence
    for (const [worker, until] of this.expected) {
      if (until <= this.now() || this.get(worker) !== undefined) this.expected.delete(worker)
      else if (among?.has(worker) !== false) return true
    }
    return [...this.births.values()].some(({ worker, incarnation, beatMs = USUAL_BEAT_MS }) => {
      if (among?.has(worker) === false) return false
      const since = this.announcedMs(worker)
      const beats = this.heard.get(worker)?.beat.incarnation === incarnation
      return !beats && since < Math.min(beatMs, LONGEST_SETTLING_MS) + acceptablePauseMs
    })
  }

  private detectorOf(worker: string): FailureDetector {
    const { acceptablePauseMs, deadAfterMs } = this.silence
    const expectedMs = this.births.get(worker)?.beatMs ?? USUAL_BEAT_MS
    // Somebody who beats once a minute is not dead after a few seconds.
    const mostMs = Math.max(deadAfterMs, expectedMs + acceptablePauseMs)
    return new FailureDetector({ expectedMs, acceptablePauseMs, mostMs }, this.now())
  }
}
