import { type StreamJournal } from '../../core/journal.js'

/** The ids of a stream's latest frames: a window of so many, and so old at most. */
export class FrameIds {
  /** When each was seen first, oldest first. */
  private readonly seen = new Map<string, number>()

  constructor(
    private readonly limits: { readonly dedupeFrames: number; readonly dedupeMs: number },
    private readonly now: () => number = Date.now,
    /** Where they outlive this process. */
    private readonly journal?: Pick<StreamJournal, 'ids' | 'remember' | 'forget'>,
  ) {
    const known = [...(journal?.ids ?? [])].sort(([, a], [, b]) => a - b)
    for (const [id, at] of known) this.seen.set(id, at)
  }

  /** @returns whether it is new; then it is remembered */
  add(id: string): boolean {
    this.forget()
    if (this.seen.has(id)) return false
    const now = this.now()
    this.seen.set(id, now)
    this.journal?.remember(id, now)
    this.forget()
    return true
  }

  /** A frame that came to nothing may be sent again under its id. */
  remove(id: string): void {
    this.seen.delete(id)
    this.journal?.forget(id)
  }

  /** None of them is needed any more. */
  clear(): void {
    for (const id of [...this.seen.keys()]) this.remove(id)
  }

  private forget(): void {
    const oldest = this.now() - this.limits.dedupeMs
    for (const [id, at] of this.seen) {
      if (this.seen.size <= this.limits.dedupeFrames && at > oldest) return
      this.remove(id)
    }
  }
}
