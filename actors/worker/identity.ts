import { setImmediate, setTimeout } from 'node:timers/promises'
import { type Bus } from '../../core/bus.js'
import { type Death, encodeControl } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type Topics } from '../../core/topics.js'

/** The id that a worker wants to have. */
interface Claim {
  readonly bus: Bus
  readonly topics: Topics
  readonly id: string
}

/** How long an id is listened for before it is taken, and how much longer where it has a birth. Beats. */
const BEATS_HEARD = { always: 2, born: 4 } as const

/** The will of a worker's control connection. */
export function deathWill(
  topics: Topics,
  id: string,
  incarnation: number,
): { topic: string; payload: Uint8Array } {
  const death: Death = { incarnation }
  return { topic: topics.worker.death(id, incarnation), payload: encodeControl(death) }
}

/**
 * Listens for longer where the id has a birth: a machine that is busy may beat late.
 * @throws WORKER_ID_TAKEN: another incarnation under this id still beats
 */
export async function refuseTakenId({ bus, topics, id }: Claim, heartbeatMs: number): Promise<void> {
  const heard = new AbortController()
  let born = false
  const subscriptions = [
    await bus.subscribe(topics.worker.beat(id), () => heard.abort()),
    await bus.subscribe(topics.worker.birth(id), ({ payload }) => (born = payload.byteLength > 0)),
  ]
  const listen = async (beats: number) => {
    await setTimeout(heartbeatMs * beats, undefined, { signal: heard.signal }).catch(() => undefined)
    // Timers go first in a process that was held up; what came meanwhile is read by then.
    await setImmediate()
  }
  await listen(BEATS_HEARD.always)
  if (born) await listen(BEATS_HEARD.born)
  await Promise.all(subscriptions.map(subscription => subscription.close()))
  if (heard.signal.aborted) {
    throw new MillraceError(
      'WORKER_ID_TAKEN',
      `a worker '${id}' is alive on this broker; choose another --id`,
    )
  }
}
