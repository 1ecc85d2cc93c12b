import { Cleanup } from '../../../core/cleanup.js'
import { MillraceError } from '../../../core/errors.js'

/** One run of one command: how it is stopped, what it undoes at its end, and where it writes. */
export class Session {
  readonly cleanup = new Cleanup()
  /** The exit status where nothing failed: for a command that runs another, the other's. */
  status = 0
  /** True: neither the end of the parent process nor that of its terminal is a reason to stop. */
  detached = false
  private finishing = false
  private readonly abort = new AbortController()
  private readonly whenStopped = new Promise<void>(resolve => {
    this.abort.signal.addEventListener('abort', () => resolve(), { once: true })
  })

  constructor(
    readonly json: boolean,
    readonly debug: boolean,
  ) {}

  /** Aborted when the user or the system asks the process to stop, or its parent is gone. */
  get signal(): AbortSignal {
    return this.abort.signal
  }

  /** True once what was started is being stopped, for whatever reason. */
  get ending(): boolean {
    return this.finishing || this.signal.aborted
  }

  /** Undoes what the command did. */
  async finish(): Promise<void> {
    this.finishing = true
    for (const failure of await this.cleanup.run()) this.warn(failure)
  }

  stop(reason: string): void {
    this.abort.abort(new MillraceError('STOPPED', reason))
  }

  /** Resolves when the process is asked to stop. */
  stopped(): Promise<void> {
    return this.whenStopped
  }

  /** `work`, or STOPPED as soon as the process is asked to stop. */
  untilStopped<T>(work: Promise<T>): Promise<T> {
    const stopped = this.stopped().then((): never => {
      throw this.signal.reason
    })
    return Promise.race([work, stopped])
  }

  /** A result: for people, or with --json one object for machines. */
  print(text: string, json: unknown): void {
    process.stdout.write(this.json ? `${JSON.stringify(json)}\n` : `${text}\n`)
  }

  /** What a person may want to know meanwhile. */
  say(text: string): void {
    if (!this.json) process.stderr.write(`${text}\n`)
  }

  /** Trouble that the command goes on after. */
  readonly warn = (error: MillraceError): void => {
    process.stderr.write(`warning ${error.code}: ${error.message}\n`)
    if (this.debug && error.stack !== undefined) process.stderr.write(`${error.stack}\n`)
  }

  /** Tells a parent process that waits for it, if there is one. */
  announce(details: Record<string, unknown>): void {
    process.send?.({ type: 'ready', ...details })
  }
}
