import { startSupervisor } from '../../../config/hosts.js'
import { Cleanup } from '../../../core/cleanup.js'
import { MillraceError } from '../../../core/errors.js'
import { pickOptions } from '../../../core/options.js'
import { supervisorOptions } from '../../supervisor/index.js'
import { defineCommand } from '../cli/command.js'
import { brokerConnection, hostOf, hostOptions } from '../cli/connection.js'
import { freshId } from '../cli/names.js'
import { type Session } from '../cli/session.js'

const options = { ...brokerConnection, ...hostOptions, ...supervisorOptions }
/** Between two attempts to lead again after the broker was lost. */
const RETRY_MS = 1_000

export const supervisorCommand = defineCommand({
  name: 'supervisor',
  summary: 'Plan pipelines and assign their partitions to workers.',
  options,
  async run(session, given) {
    const host = hostOf(given.id ?? freshId('supervisor'), given, session)
    const settings = pickOptions(supervisorOptions, given)
    for (let first = true; !session.signal.aborted; first = false) {
      const term = new Cleanup()
      session.cleanup.defer('ending the term', () => term.run())
      try {
        const supervisor = await session.untilStopped(startSupervisor(host, settings, term))
        session.print(`supervisor '${host.id}' leads in term ${supervisor.term}`, {
          id: host.id,
          term: supervisor.term,
        })
        if (first) session.announce({ id: host.id, term: supervisor.term })
        const reason = await session.untilStopped(supervisor.ended)
        if (reason !== undefined) session.warn(reason)
      } catch (error) {
        if (session.signal.aborted || first || !isRetryable(error)) throw error
      }
      await term.run()
      await pause(session)
    }
  },
})

function isRetryable(error: unknown): boolean {
  return error instanceof MillraceError && error.retryable
}

async function pause(session: Session): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const passed = new Promise<void>(resolve => {
    timer = setTimeout(resolve, RETRY_MS)
  })
  await Promise.race([passed, session.stopped()])
  clearTimeout(timer)
}
