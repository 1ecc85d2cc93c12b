import { withLimit } from './wait.js'
import { MillraceError } from './errors.js'

interface Step {
  readonly what: string
  readonly undo: () => Promise<unknown>
}

/** What must be undone, newest first: whoever starts something says at once how it stops. */
export class Cleanup {
  private readonly steps: Step[] = []
  private running: Promise<readonly MillraceError[]> | undefined

  /** @param limitMs  limit on each step (promise 8) */
  constructor(private readonly limitMs = 10_000) {}

  defer(what: string, undo: () => Promise<unknown>): void {
    this.steps.push({ what, undo })
  }

  /**
   * Undoes everything; a step that fails or takes too long does not keep the next from running. Idempotent.
   * @returns what failed
   */
  run(): Promise<readonly MillraceError[]> {
    this.running ??= this.undoAll()
    return this.running
  }

  private async undoAll(): Promise<readonly MillraceError[]> {
    const failures: MillraceError[] = []
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) {
      const { what, undo } = step
      const late = () => new MillraceError('STOPPED', `${what} took more than ${this.limitMs} ms`)
      await withLimit(started(undo), this.limitMs, late).catch((error: unknown) => {
        failures.push(MillraceError.from(error, 'INTERNAL', `${what}: `))
      })
    }
    return failures
  }
}

/** An `undo` that throws before it has a promise fails like any other. */
async function started(undo: () => Promise<unknown>): Promise<unknown> {
  return undo()
}
