import { MillraceError } from '../../../core/errors.js'
import { ProcessGroup } from './processes.js'
import { type Session } from './session.js'

/** Between two starts of a process that keeps ending. */
const RESTART_MS = 1_000

/**
 * Runs a command of this command line in a process of its own, and starts it again whenever it ends before the session
 * does. Resolves when it is up for the first time.
 * @throws what it fails with the first time
 */
export async function keepProcess(
  session: Session,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const what = `millrace ${args[0]}`
  let timer: NodeJS.Timeout | undefined
  const again = (reason: string) => {
    if (session.ending) return
    session.warn(new MillraceError('RUNTIME_CRASHED', `'${what}' ${reason}; it is started again`))
    timer = setTimeout(() => {
      group.start(args).catch((error: unknown) => again(MillraceError.from(error).message))
    }, RESTART_MS)
  }
  const group = new ProcessGroup({
    debug: session.debug,
    env,
    onLost: (_command, how) => again(`ended with ${how}`),
  })
  session.cleanup.defer(`stopping '${what}'`, async () => {
    clearTimeout(timer)
    await group.stop()
  })
  await session.untilStopped(group.start(args))
}
