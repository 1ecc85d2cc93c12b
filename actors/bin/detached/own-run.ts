import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MillraceError } from '../../../core/errors.js'
import { startOf } from '../cli/process-start.js'
import { type Session } from '../cli/session.js'
import { boundLog } from './bounded-log.js'
import { type RunRecord, type StateFolder } from './state-folder.js'

/** The environment variable in which a run that was started in the background finds its folder. */
export const OWN_FOLDER = 'MILLRACE_DETACHED'

/** A run in the background, as it sees itself: its folder, which goes when it stops. */
export class OwnRun {
  private constructor(
    private readonly session: Session,
    private readonly state: StateFolder,
    private folder: string,
  ) {}

  /** Undefined in a process that was not started so. */
  static take(session: Session, state: StateFolder): OwnRun | undefined {
    const folder = process.env[OWN_FOLDER]
    if (folder === undefined) return undefined
    // It is for this process alone, not for those that it starts.
    delete process.env[OWN_FOLDER]
    const run = new OwnRun(session, state, folder)
    session.cleanup.defer('removing the folder of the run', () =>
      rm(run.folder, { recursive: true, force: true }),
    )
    return run
  }

  /** Where the processes that it starts may keep files. */
  get parts(): string {
    return join(this.folder, 'parts')
  }

  /**
   * Its broker listens: the port, and so its folder, is its own.
   * @throws PORT_TAKEN, STATE_UNWRITABLE
   */
  async settle(port: number, broker: string, workers: number): Promise<RunRecord> {
    const { pid } = process
    const started = await startOf(pid)
    if (started === undefined) throw new MillraceError('INTERNAL', 'no start of this process is known')
    const record = await this.state.settle(this.folder, { pid, started, port, broker, workers })
    this.folder = dirname(record.log)
    const end = boundLog(record.log)
    this.session.cleanup.defer('ending the watch over the log', async () => end())
    return record
  }

  /** It is up: from now on, only `down` and signals end it. */
  announce(record: RunRecord): void {
    this.session.detached = true
    this.session.announce(record)
  }
}
