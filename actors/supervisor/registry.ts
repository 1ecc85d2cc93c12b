import { type Observable, Subject } from 'rxjs'
import { type Actual, type Beat, type Birth } from '../../core/control.js'

export interface WorkerView {
  readonly birth: Birth
  readonly beat: Beat
  readonly actual: Actual | undefined
}

/**
 * The workers of the cluster, as their births, beats, deaths and actual states tell, in whatever order these come. A
 * retained birth proves nothing: a worker is alive once it has beaten, and until it is silent for too long (decision
 * D4).
 */
export class WorkerRegistry {
  private readonly births = new Map<string, Birth>()
  private readonly actuals = new Map<string, Actual>()
  private readonly beats = new Map<string, { readonly beat: Beat; readonly at: number }>()
  private readonly changes = new Subject<void>()

  constructor(
    private readonly deadAfterMs: number,
    private readonly now: () => number = Date.now,
  ) {}

  /** After each change of what is known; silence changes nothing until somebody asks. */
  get change$(): Observable<void> {
    return this.changes.asObservable()
  }

  born(birth: Birth): void {
    const known = this.births.get(birth.worker)
    if (known !== undefined && known.incarnation > birth.incarnation) return
    this.births.set(birth.worker, birth)
    this.changes.next()
  }

  /** Its birth was taken back: it left as intended. */
  left(worker: string): void {
    this.births.delete(worker)
    this.actuals.delete(worker)
    this.beats.delete(worker)
    this.changes.next()
  }

  /** A hint: a beat of the same incarnation that comes later makes it live again. */
  died(worker: string, incarnation: number): void {
    if (this.beats.get(worker)?.beat.incarnation !== incarnation) return
    this.beats.delete(worker)
    this.changes.next()
  }

  beaten(beat: Beat): void {
    const known = this.beats.get(beat.worker)
    if (known !== undefined && known.beat.incarnation > beat.incarnation) return
    this.beats.set(beat.worker, { beat, at: this.now() })
    this.changes.next()
  }

  reported(actual: Actual): void {
    const known = this.actuals.get(actual.worker)
    if (known !== undefined && known.incarnation > actual.incarnation) return
    this.actuals.set(actual.worker, actual)
    this.changes.next()
  }

  /** The worker, if it is alive. */
  get(worker: string): WorkerView | undefined {
    const birth = this.births.get(worker)
    const heard = this.beats.get(worker)
    if (birth === undefined || heard?.beat.incarnation !== birth.incarnation) return undefined
    if (this.now() - heard.at > this.deadAfterMs) return undefined
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
}
