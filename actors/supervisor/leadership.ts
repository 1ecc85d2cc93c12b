import { setImmediate } from 'node:timers/promises'
import { type Observable, ReplaySubject, Subject } from 'rxjs'
import { type Bus } from '../../core/bus.js'
import { Actual, decodeControl, encodeControl, Leader } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type Topics } from '../../core/topics.js'
import { firstWhere } from '../../core/wait.js'

export interface ClaimOptions {
  readonly settleMs: number
  readonly limitMs: number
  /** Told, before the claim, of the largest term that the broker has retained and of that which workers obey; 0: none. */
  readonly onFound?: (known: number, obeyed: number) => void
}

/** Between two signs of life for those that stand by. */
export const LEADER_BEAT_MS = 250

/** The client id that all supervisors of one root share, so that a broker keeps the connection of the newest only. */
export function leaderClientId(topics: Topics): string {
  return `${topics.root.replaceAll('/', '-')}-supervisor`
}

/** The will of a leader's connection. */
export function leaderWill(topics: Topics, id: string): { topic: string; payload: Uint8Array } {
  return { topic: topics.supervisor.death(id), payload: new Uint8Array() }
}

/**
 * Takes the lead: writes the next term, and acts only after it has read that back (decision D5). The connection has a
 * client id that all supervisors share, so that a broker keeps only the newest, and does not reconnect: when it is
 * lost, so is the lead.
 * A broker may have forgotten who led, so the workers are heard too: they take nothing from a smaller term than before.
 * @returns the term
 * @throws SUPERVISOR_SUPERSEDED: another took the lead meanwhile; NO_SUPERVISOR: the broker did not give it back
 */
export async function claimLeadership(
  bus: Bus,
  topics: Topics,
  supervisor: string,
  options: ClaimOptions,
): Promise<number> {
  const seen = new Subject<Leader>()
  let newest: Leader | undefined
  const subscription = await bus.subscribe(
    topics.supervisor.leader,
    ({ payload }) => {
      const leader = decodeControl(Leader, payload)
      if (leader === undefined || leader.term < (newest?.term ?? 0)) return
      newest = leader
      seen.next(leader)
    },
    { qos: 1 },
  )
  let obeyed = 0
  const workers = await bus.subscribe(
    topics.worker.actuals,
    ({ payload }) => (obeyed = Math.max(obeyed, decodeControl(Actual, payload)?.term ?? 0)),
    { qos: 1 },
  )
  try {
    await readRetained(seen, options.settleMs)
    const known = newest?.term ?? 0
    options.onFound?.(known, obeyed)
    const term = Math.max(known, obeyed) + 1
    const lost = () => new MillraceError('NO_SUPERVISOR', `the claim of term ${term} was not read back`)
    const readBack = firstWhere(seen, leader => leader.term >= term, options.limitMs, lost)
    const claim: Leader = { term, supervisor }
    await bus.publish(topics.supervisor.leader, encodeControl(claim), { qos: 1, retain: true })
    const leader = await readBack
    if (leader.supervisor !== supervisor) {
      throw new MillraceError('SUPERVISOR_SUPERSEDED', `'${leader.supervisor}' leads in term ${leader.term}`)
    }
    return term
  } finally {
    await Promise.all([subscription, workers].map(one => one.close().catch(() => undefined)))
  }
}

/** Who leads, as a bystander sees it; undefined where nobody is known to. */
export async function knownLeader(bus: Bus, topics: Topics, settleMs = 300): Promise<Leader | undefined> {
  let known: Leader | undefined
  // It may come before the subscription is confirmed.
  const seen = new ReplaySubject<Leader>(1)
  const subscription = await bus.subscribe(
    topics.supervisor.leader,
    ({ payload }) => {
      const leader = decodeControl(Leader, payload)
      if (leader === undefined) return
      known = leader
      seen.next(leader)
    },
    { qos: 1 },
  )
  await readRetained(seen, settleMs)
  await subscription.close()
  return known
}

/** MQTT does not say that there is no retained value: its absence is known by waiting. */
async function readRetained(seen: Observable<Leader>, settleMs: number): Promise<void> {
  const none = () => new MillraceError('NO_SUPERVISOR', 'no leader is known')
  await firstWhere(seen, () => true, settleMs, none).catch(() => undefined)
  // Timers go first in a process that was held up; what came meanwhile is read by then.
  await setImmediate()
}
