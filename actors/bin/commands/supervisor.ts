import { type Host, startSupervisor } from '../../../config/hosts.js'
import { Cleanup } from '../../../core/cleanup.js'
import { type Leader } from '../../../core/control.js'
import { MillraceError } from '../../../core/errors.js'
import { pickOptions } from '../../../core/options.js'
import { knownLeader, supervisorOptions } from '../../supervisor/index.js'
import { defineCommand } from '../cli/command.js'
import { brokerConnection, hostOf, hostOptions } from '../cli/connection.js'
import { freshId } from '../cli/names.js'
import { type Session } from '../cli/session.js'
import { forkProbe } from '../profile/fork-probe.js'

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
    const spawnProbe = () => forkProbe(session.debug)
    let led = 0
    for (let first = true; !session.signal.aborted; first = false) {
      const term = new Cleanup()
      session.cleanup.defer('ending the term', () => term.run())
      try {
        const supervisor = await session.untilStopped(startSupervisor(host, settings, term, spawnProbe))
        led = supervisor.term
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
      await refuseIfSuperseded(host, led)
    }
  },
})

/**
 * The broker keeps the newest of those that share the leader's client id: who was pushed out, and sees that another took
 * the lead, must not push back.
 */
async function refuseIfSuperseded(host: Host, led: number): Promise<void> {
  const leader = await leaderOf(host)
  if (leader === undefined || leader.term <= led) return
  throw new MillraceError('SUPERVISOR_SUPERSEDED', `'${leader.supervisor}' leads in term ${leader.term}`)
}

/** Undefined where nobody leads, or the broker is away. */
async function leaderOf({ open, topics }: Host): Promise<Leader | undefined> {
  try {
    const bus = await open({ clientId: freshId('millrace-bystander'), reconnect: false })
    try {
      return await knownLeader(bus, topics)
    } finally {
      await bus.close()
    }
  } catch {
    return undefined
  }
}

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
