import { setTimeout } from 'node:timers/promises'
import { MillraceError } from '../../core/errors.js'
import { type Runtime } from '../runtime/index.js'

/** In which crashes are counted. */
const WINDOW_MS = 60_000

export interface KeptRuntimeParts {
  readonly create: () => Promise<Runtime>
  /** How often in a minute a crashed one is started again before it is given up for another minute. */
  readonly restarts: number
  /** In which crashes are counted, in ms; left out: a minute. */
  readonly windowMs?: number | undefined
  /**
   * All that it ran is lost.
   * @param crashed  left out where one could not be started in its place
   * @param givenUp  no other is going to be started for a while
   */
  onCrash(error: MillraceError, crashed: Runtime | undefined, givenUp: boolean): void
  /** Another is there. */
  onStart(): void
  readonly onTrouble: (error: MillraceError) => void
}

/**
 * A worker's runtime, started again when it has crashed. One that crashes again and again is given up for a while: a poisonous
 * partition is no crash loop (promise 6).
 */
export class KeptRuntime {
  private crashes: number[] = []
  /** Settles when none is being started in the place of a crashed one. */
  private mending: Promise<void> = Promise.resolve()
  private readonly ending = new AbortController()

  constructor(
    private runtime: Runtime,
    private readonly parts: KeptRuntimeParts,
  ) {
    this.watch()
  }

  get current(): Runtime {
    return this.runtime
  }

  async stop(): Promise<void> {
    this.ending.abort()
    await this.mending
    await this.runtime.stop()
  }

  private get stopping(): boolean {
    return this.ending.signal.aborted
  }

  private watch(): void {
    const { runtime } = this
    runtime.trouble$.subscribe(this.parts.onTrouble)
    void runtime.ended.then(error => {
      if (error !== undefined && !this.stopping) this.mending = this.mend(error, runtime)
    })
  }

  private async mend(error: MillraceError, crashed?: Runtime): Promise<void> {
    const { create, restarts, windowMs = WINDOW_MS, onTrouble } = this.parts
    this.crashes = [...this.crashes, Date.now()].filter(at => at > Date.now() - windowMs)
    const givenUp = this.crashes.length > restarts
    onTrouble(error)
    this.parts.onCrash(error, crashed, givenUp)
    const { signal } = this.ending
    if (givenUp) await setTimeout(windowMs, undefined, { signal }).catch(() => undefined)
    if (this.stopping) return
    try {
      this.runtime = await create()
      this.watch()
      if (!this.stopping) this.parts.onStart()
    } catch (cause) {
      await this.mend(MillraceError.from(cause, 'RUNTIME_CRASHED'))
    }
  }
}
