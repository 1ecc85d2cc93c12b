import { MillraceError } from '../../core/errors.js'

/** Where sources wait that are to be asked only when the window has room. */
export class Room {
  private waiters: (() => void)[] = []
  private closed = false

  /** @param isFree  whether a further frame would enter the window at once */
  constructor(private readonly isFree: () => boolean) {}

  /**
   * Resolves when there is room; the frames just pulled have been counted by then.
   * @throws STOPPED: it was closed
   */
  async wait(): Promise<void> {
    await new Promise(resolve => setImmediate(resolve))
    while (!this.closed && !this.isFree()) await new Promise<void>(resolve => this.waiters.push(resolve))
    if (this.closed) throw stopped()
  }

  /** To be called whenever there may be room. */
  wake(): void {
    if (this.closed || this.isFree()) this.release()
  }

  close(): void {
    this.closed = true
    this.release()
  }

  private release(): void {
    const { waiters } = this
    this.waiters = []
    for (const release of waiters) release()
  }
}

export function stopped(): MillraceError {
  return new MillraceError('STOPPED', 'the dispatcher was closed')
}
