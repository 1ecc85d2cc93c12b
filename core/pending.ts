import { type MillraceError } from './errors.js'
import { withLimit } from './wait.js'

/** Waits that can all be ended at once, such as those for answers through a connection. */
export class Pending {
  private readonly rejects = new Set<(error: MillraceError) => void>()

  get size(): number {
    return this.rejects.size
  }

  /**
   * What `work` gives, unless `fail` is called before, or `ms` pass, which gives `late`, or `signal` says so. What the
   * work does goes on unobserved then.
   */
  async wait<T>(work: Promise<T>, ms: number, late: () => MillraceError, signal?: AbortSignal): Promise<T> {
    let reject: (error: MillraceError) => void = () => undefined
    const failed = new Promise<never>((_, fail) => (reject = fail))
    this.rejects.add(reject)
    try {
      return await withLimit(Promise.race([work, failed]), ms, late, signal)
    } finally {
      this.rejects.delete(reject)
    }
  }

  /** Ends all waits with `error`. */
  fail(error: MillraceError): void {
    for (const reject of this.rejects) reject(error)
  }
}
