import { z } from 'zod'
import { type Host, startSupervisor, temporaryFolder } from '../../../config/hosts.js'
import { Cleanup } from '../../../core/cleanup.js'
import { type Leader, type Speed } from '../../../core/control/index.js'
import { MillraceError } from '../../../core/errors.js'
import { defineOptions, pickOptions } from '../../../core/options.js'
import { measureSpeed } from '../../benchmark/index.js'
import { cpuQuota } from '../../machine/index.js'
import {
  knownLeader,
  leaderGone,
  Memory,
  type SupervisorOptions,
  supervisorOptions,
} from '../../supervisor/index.js'
import { defineCommand } from '../cli/command.js'
import { brokerConnection, hostOf, hostOptions } from '../cli/connection.js'
import { freshId } from '../cli/names.js'
import { type Session } from '../cli/session.js'
import { forkProbe } from '../profile/fork-probe.js'

const options = defineOptions({
  ...brokerConnection,
  ...hostOptions,
  ...supervisorOptions,
  standby: {
    check: z.boolean(),
    default: false,
    doc: 'Lead only when nobody else does, and take over when the leader is gone.',
  },
})
/** Between two attempts to lead again after the broker was lost. */
const RETRY_MS = 1_000

export const supervisorCommand = defineCommand({
  name: 'supervisor',
  summary: 'Plan pipelines and assign their partitions to workers.',
  options,
  async run(session, given) {
    // What one term has cut and fetched, the next one has.
    const cacheDir = given.cacheDir ?? (await temporaryFolder('parts', session.cleanup))
    const host = hostOf(given.id ?? freshId('supervisor'), { ...given, cacheDir }, session)
    const settings = pickOptions(supervisorOptions, given)
    const instruments = {
      spawnProbe: () => forkProbe(session.debug),
      measureSpeed: () => coreSpeed(session.signal),
      memory: new Memory(),
    }
    let led = 0
    for (let first = true; !session.signal.aborted; first = false) {
      const term = new Cleanup()
      session.cleanup.defer('ending the term', () => term.run())
      try {
        if (given.standby) await standBy(host, settings, session, first)
        const supervisor = await session.untilStopped(startSupervisor(host, settings, term, instruments))
        led = supervisor.term
        session.print(`supervisor '${host.id}' leads in term ${supervisor.term}`, {
          id: host.id,
          term: supervisor.term,
        })
        if (first && !given.standby) session.announce({ id: host.id, term: supervisor.term })
        const reason = await session.untilStopped(supervisor.ended)
        if (reason !== undefined) session.warn(reason)
      } catch (error) {
        if (session.signal.aborted) throw error
        if (!given.standby && (first || !isRetryable(error))) throw error
      }
      await term.run()
      await pause(session)
      if (!given.standby) await refuseIfSuperseded(host, led)
    }
  },
})

/** Of a whole core: costs are measured in a core's time, whatever share of one this process may use. */
async function coreSpeed(signal: AbortSignal): Promise<Speed> {
  const { convGflops, matmulGflops } = await measureSpeed({ signal })
  const share = Math.min(1, cpuQuota() ?? 1)
  return { convGflops: convGflops / share, matmulGflops: matmulGflops / share }
}

/** Waits until nobody leads. Of several that stand by, one is quicker. */
async function standBy(
  host: Host,
  silence: SupervisorOptions,
  session: Session,
  first: boolean,
): Promise<void> {
  const bus = await host.open({ clientId: freshId('millrace-standby') })
  try {
    if (first) {
      session.print(`supervisor '${host.id}' stands by`, { id: host.id, standby: true })
      session.announce({ id: host.id, standby: true })
    }
    await leaderGone(bus, host.topics, silence, session.signal)
  } finally {
    await bus.close()
  }
}

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
