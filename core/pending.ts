import { BriefMap } from './brief-map.js'
import { type MillraceError } from './errors.js'
import { withLimit } from './wait.js'

/** Waits that can all be ended at once, such as those for answers through a connection. */
export class Pending {
  private readonly rejects = new BriefMap<number, (error: MillraceError) => void>()
  private last = 0

  get size(): number {
    return this.rejects.size
  }

  /** What `work` gives, unless `fail` is called before. What it does goes on unobserved then. */
  wait<T>(work: Promise<T>): Promise<T> {
    return this.race(work, promise => promise)
  }

  /** The same, with a limit as in `withLimit`. */
  waitFor<T>(work: Promise<T>, ms: number, late: () => MillraceError, signal?: AbortSignal): Promise<T> {
    return this.race(work, promise => withLimit(promise, ms, late, signal))
  }

  /** Ends all waits with `error`. */
  fail(error: MillraceError): void {
    for (const reject of this.rejects.values()) reject(error)
  }

  private async race<T>(work: Promise<T>, limited: (promise: Promise<T>) => Promise<T>): Promise<T> {
    let reject: (error: MillraceError) => void = () => undefined
    const failed = new Promise<never>((_, fail) => (reject = fail))
    const id = ++this.last
    this.rejects.set(id, reject)
    try {
      return await limited(Promise.race([work, failed]))
    } finally {
      this.rejects.delete(id)
    }
  }
}
