import { MillraceError } from '../../../core/errors.js'
import { type Command, ProcessGroup, titleOf } from './processes.js'
import { type Session } from './session.js'

/** Between two starts of a process that keeps ending. */
const RESTART_MS = 1_000

/** Commands that run as processes of their own, each of which is started again whenever it ends before the session does. */
export class KeptProcesses {
  private readonly group: ProcessGroup
  private readonly timers = new Set<NodeJS.Timeout>()

  constructor(
    private readonly session: Session,
    env: NodeJS.ProcessEnv,
  ) {
    const onLost = (command: Command, how: string, error: MillraceError | undefined) =>
      this.lost(command, `ended with ${how}`, error)
    this.group = new ProcessGroup({ debug: session.debug, env, onLost })
  }

  /** Resolves when it is up for the first time. @throws what it fails with the first time */
  start(command: Command): Promise<void> {
    return this.group.start(command)
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer)
    await this.group.stop()
  }

  private lost(command: Command, reason: string, error: MillraceError | undefined): void {
    if (this.session.ending) return
    // Another took its place: the two would only push each other out.
    const replaced = error?.code === 'SUPERVISOR_SUPERSEDED'
    const next = replaced ? `${error.message}; it is not started again` : 'it is started again'
    this.session.warn(new MillraceError('RUNTIME_CRASHED', `'${titleOf(command)}' ${reason}; ${next}`))
    if (replaced) return
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      this.group.start(command).catch((thrown: unknown) => {
        const failure = MillraceError.from(thrown)
        this.lost(command, `failed: ${failure.message}`, failure)
      })
    }, RESTART_MS)
    this.timers.add(timer)
  }
}
