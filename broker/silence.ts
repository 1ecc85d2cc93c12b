import { setImmediate, setTimeout } from 'node:timers/promises'

/** Between two questions, while messages leave. */
const EVERY_MS = 300
/** An answer may take so long at least, */
const LEAST_MS = 900
/** and so many times as long as the slowest of late: behind large frames, on a slow link, it waits for these. */
const TIMES_SLOWEST = 3
const REMEMBERED = 8

/**
 * Finds out whether a connection is silent: it takes what is written to it, and nothing comes back. A network that drops
 * everything, and a process that is stopped, look like that.
 */
export class SilenceWatch {
  private current = watched()
  private asking = false
  /** Something has left since the last question. */
  private unasked = false
  private nextAt = -Infinity
  private readonly tookMs: number[] = []

  /** @param ask  resolves when there was a sign of life, or when there is nothing to wait for any more */
  constructor(private readonly ask: () => Promise<void>) {}

  /** Aborted while the connection is silent; another one afterwards. */
  get signal(): AbortSignal {
    return this.current.signal
  }

  /** To be called when something leaves. What is the last for a while is asked about too, a little later. */
  sent(): void {
    this.unasked = true
    if (this.asking) return
    this.asking = true
    void this.judgeAll()
  }

  private async judgeAll(): Promise<void> {
    try {
      while (this.unasked) {
        const early = this.nextAt - performance.now()
        if (early > 0) await setTimeout(early, undefined, { ref: false })
        this.unasked = false
        await this.judge()
      }
    } finally {
      this.asking = false
    }
  }

  private async judge(): Promise<void> {
    const askedAt = performance.now()
    const answered = this.ask().then(() => true)
    const timer = new AbortController()
    const late = pause(Math.max(LEAST_MS, TIMES_SLOWEST * Math.max(...this.tookMs)), timer.signal)
    if (!(await Promise.race([answered, late]))) {
      this.current.abort()
      await answered
      this.current = watched()
    }
    timer.abort()
    const now = performance.now()
    this.tookMs.push(now - askedAt)
    if (this.tookMs.length > REMEMBERED) this.tookMs.shift()
    this.nextAt = now + EVERY_MS
  }
}

/** Listened to all the time: with the last listener, which each message takes away, Node.js drops the list of them. */
function watched(): AbortController {
  const controller = new AbortController()
  controller.signal.addEventListener('abort', () => undefined)
  return controller
}

/** Timers go first in a process that was held up itself; what came meanwhile is read by then. */
async function pause(ms: number, signal: AbortSignal): Promise<false> {
  await setTimeout(ms, undefined, { signal, ref: false }).catch(() => undefined)
  for (let turn = 0; turn < 2; turn++) await setImmediate()
  return false
}
