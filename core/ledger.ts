import { type Observable, Subject } from 'rxjs'
import { BriefMap } from './brief-map.js'
import { type ErrorInfo } from './errors.js'
import { type FrameIdentity, identityKey } from './frame.js'

/** How one frame ended; one of three ways, and once (promise 1). Times are ms since the Unix epoch. */
export type LedgerEntry = FrameIdentity & { readonly admittedAt: number; readonly endedAt: number } & (
    | { readonly end: 'predicted' }
    | { readonly end: 'dropped'; readonly reason: string }
    | { readonly end: 'failed'; readonly error: ErrorInfo }
  )

type End<T = LedgerEntry> = T extends LedgerEntry
  ? Omit<T, keyof FrameIdentity | 'admittedAt' | 'endedAt'>
  : never

export interface LedgerCounts {
  readonly admitted: number
  readonly predicted: number
  readonly dropped: number
  readonly failed: number
  /** Results that came for a frame that had ended. */
  readonly duplicates: number
  /** Admitted, and not ended. */
  readonly open: number
}

/**
 * A dispatcher's account of its frames. It remembers the frames that have not ended and nothing else, so it is as large
 * as what is queued and under way.
 */
export class Ledger {
  private readonly open = new BriefMap<string, number>()
  private readonly entries = new Subject<LedgerEntry>()
  private readonly ended = { predicted: 0, dropped: 0, failed: 0 }
  private admitted = 0
  private duplicates = 0

  /** How each frame ended, when it ends. */
  get entries$(): Observable<LedgerEntry> {
    return this.entries.asObservable()
  }

  counts(): LedgerCounts {
    return { admitted: this.admitted, ...this.ended, duplicates: this.duplicates, open: this.open.size }
  }

  /** A frame that is open already stays as it is. */
  admit(frame: FrameIdentity, now: number): void {
    const key = identityKey(frame)
    if (this.open.has(key)) return
    this.open.set(key, now)
    this.admitted++
  }

  predicted(frame: FrameIdentity, now: number): void {
    this.end(frame, { end: 'predicted' }, now)
  }

  dropped(frame: FrameIdentity, reason: string, now: number): void {
    this.end(frame, { end: 'dropped', reason }, now)
  }

  failed(frame: FrameIdentity, error: ErrorInfo, now: number): void {
    this.end(frame, { end: 'failed', error }, now)
  }

  /** A result came for a frame that is not open: it changes nothing but this count (promise 4). */
  duplicate(): void {
    this.duplicates++
  }

  close(): void {
    this.entries.complete()
  }

  /** A second end is a duplicate, and not told. */
  private end({ dispatcher, stream, sequence }: FrameIdentity, end: End, now: number): void {
    const identity = { dispatcher, stream, sequence }
    const key = identityKey(identity)
    const admittedAt = this.open.get(key)
    if (admittedAt === undefined) return this.duplicate()
    this.open.delete(key)
    this.ended[end.end]++
    // Spreads take several times as long as fields, and most frames are predicted.
    if (end.end !== 'predicted') this.entries.next({ ...identity, admittedAt, endedAt: now, ...end })
    else this.entries.next({ dispatcher, stream, sequence, admittedAt, endedAt: now, end: 'predicted' })
  }
}
