import { type Bus } from '../../core/bus.js'
import { MillraceError } from '../../core/errors.js'
import { withLimit } from '../../core/wait.js'
import { type LinkFigure, measureLink } from './link-figure.js'

/** Less than the largest message on an unknown link (decision D11). */
const LARGEST_MESSAGE = 48 * 1024
/** At once, in several messages: what a network lets through before it counts would make one message seem to take no time. */
const MOST_BYTES = 16 * LARGEST_MESSAGE
/** A link that takes longer for one message has next to no bandwidth. */
const LIMIT_MS = 8_000

/**
 * Measures the link to the broker: messages go there and come back, where they are large several at once.
 * @param topic  nobody else's
 * @returns undefined where a message did not come back in time
 * @throws BUS_DISCONNECTED, BUS_CLOSED
 */
export async function measureBrokerLink(bus: Bus, topic: string): Promise<LinkFigure | undefined> {
  let arrive: (bytes: number) => void = () => undefined
  const subscription = await bus.subscribe(topic, ({ payload }) => arrive(payload.byteLength))
  const time = async (bytes: number) => {
    const startedAt = performance.now()
    let missing = bytes
    const back = new Promise<void>(resolve => {
      arrive = arrived => {
        missing -= arrived
        if (missing <= 0) resolve()
      }
    })
    const late = () => new MillraceError('PUBLISH_TIMEOUT', `a probe of ${bytes} bytes did not come back`)
    const messages = sizesOf(bytes).map(size => new Uint8Array(size))
    await Promise.all(messages.map(message => bus.publish(topic, message, { timeoutMs: LIMIT_MS })))
    await withLimit(back, LIMIT_MS, late)
    return performance.now() - startedAt
  }
  try {
    return await measureLink(time, { mostBytes: MOST_BYTES, passes: 2 })
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'PUBLISH_TIMEOUT') return undefined
    throw error
  } finally {
    await subscription.close().catch(() => undefined)
  }
}

function sizesOf(bytes: number): number[] {
  const whole = Math.floor(bytes / LARGEST_MESSAGE)
  const rest = bytes % LARGEST_MESSAGE
  return [...Array.from({ length: whole }, () => LARGEST_MESSAGE), ...(rest > 0 ? [rest] : [])]
}
