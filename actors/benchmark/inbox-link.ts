import { setTimeout } from 'node:timers/promises'
import { type Bus } from '../../core/bus.js'
import { type ProbeTarget } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type LinkFigure, measureLink } from './link-figure.js'

const MOST_BYTES = 2 ** 20
const LIMIT_MS = 3_000
/** The peer may not have been told yet whom to let in. */
const REFUSED_LIMIT_MS = 5_000
const RETRY_MS = 200

/**
 * Measures the link to a peer's inbox, one way: with messages that the inbox acknowledges and throws away.
 * @param connect  opens a connection to the inbox
 * @throws BROKER_REFUSED: the peer does not know the credentials; BROKER_UNREACHABLE, BUS_DISCONNECTED; PUBLISH_TIMEOUT: a
 *   message took more than 3 s; STOPPED
 */
export async function measureInboxLink(
  target: ProbeTarget,
  connect: (target: ProbeTarget) => Promise<Bus>,
  signal?: AbortSignal,
): Promise<LinkFigure> {
  const bus = await admitted(() => connect(target), signal)
  const time = async (bytes: number) => {
    const startedAt = performance.now()
    if (signal?.aborted === true) throw stopped()
    await bus.publish(target.username, new Uint8Array(bytes), { qos: 1, timeoutMs: LIMIT_MS })
    return performance.now() - startedAt
  }
  try {
    return await measureLink(time, { mostBytes: MOST_BYTES, passes: 1 })
  } finally {
    await bus.close()
  }
}

async function admitted(connect: () => Promise<Bus>, signal?: AbortSignal): Promise<Bus> {
  const deadline = performance.now() + REFUSED_LIMIT_MS
  for (;;) {
    if (signal?.aborted === true) throw stopped()
    try {
      return await connect()
    } catch (error) {
      const refused = error instanceof MillraceError && error.code === 'BROKER_REFUSED'
      if (!refused || performance.now() > deadline) throw error
    }
    await setTimeout(RETRY_MS, undefined, { signal }).catch(() => undefined)
  }
}

function stopped(): MillraceError {
  return new MillraceError('STOPPED', 'the measurement was stopped')
}
