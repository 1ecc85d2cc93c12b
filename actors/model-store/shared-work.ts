import { MillraceError } from '../../core/errors.js'

interface Shared {
  readonly abort: AbortController
  readonly done: Promise<void>
  waiting: number
}

/** Work that is done once for all who ask for the same at once, and stopped when the last of them has left. */
export class SharedWork {
  private readonly underWay = new Map<string, Shared>()

  /**
   * @param key  of the same work
   * @throws what `work` throws; STOPPED, or PART_UNAVAILABLE for a timeout: when `signal` is aborted
   */
  async run(
    key: string,
    work: (signal: AbortSignal) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (signal?.aborted === true) throw reasonOf(signal)
    const shared = this.underWay.get(key) ?? this.begin(key, work)
    shared.waiting++
    let leave: () => void = () => {}
    const left = new Promise<never>((_resolve, reject) => {
      leave = () => reject(reasonOf(signal))
    })
    signal?.addEventListener('abort', leave)
    try {
      await Promise.race([shared.done, left])
    } finally {
      signal?.removeEventListener('abort', leave)
      if (--shared.waiting === 0) await this.end(key, shared)
    }
  }

  private begin(key: string, work: (signal: AbortSignal) => Promise<void>): Shared {
    const abort = new AbortController()
    const shared: Shared = { abort, done: work(abort.signal), waiting: 0 }
    this.underWay.set(key, shared)
    return shared
  }

  /** Whoever comes now begins anew. */
  private async end(key: string, shared: Shared): Promise<void> {
    this.underWay.delete(key)
    shared.abort.abort()
    await shared.done.catch(() => undefined)
  }
}

export function reasonOf(signal: AbortSignal | undefined): MillraceError {
  const late = signal?.reason instanceof DOMException && signal.reason.name === 'TimeoutError'
  return late
    ? new MillraceError('PART_UNAVAILABLE', 'the transfer took longer than its limit')
    : new MillraceError('STOPPED', 'the transfer was stopped')
}
