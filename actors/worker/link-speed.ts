import { type Bus } from '../../core/bus.js'
import { MillraceError } from '../../core/errors.js'
import { withLimit } from '../../core/wait.js'

/** Less than the largest message on an unknown link (decision D11). */
const PROBE_BYTES = 48 * 1024
const ROUNDS = 2
/** A link that takes longer for one probe has less than 0.1 Mbit/s. */
const LIMIT_MS = 8_000

/**
 * Measures the link to the broker: messages go there and back, and what a large one takes longer than a small one is
 * its bytes', both ways.
 * @param topic  nobody else's
 * @returns 10^6 bit/s; undefined where the probe did not come back in time, or came as fast as the small one
 * @throws BUS_DISCONNECTED, BUS_CLOSED
 */
export async function measureMbps(bus: Bus, topic: string): Promise<number | undefined> {
  let arrive: (bytes: number) => void = () => undefined
  const subscription = await bus.subscribe(topic, ({ payload }) => arrive(payload.byteLength))
  const there = async (bytes: number) => {
    const startedAt = performance.now()
    const back = new Promise<void>(resolve => {
      arrive = arrived => {
        if (arrived === bytes) resolve()
      }
    })
    const late = () => new MillraceError('PUBLISH_TIMEOUT', `a probe of ${bytes} bytes did not come back`)
    await bus.publish(topic, new Uint8Array(bytes), { timeoutMs: LIMIT_MS })
    await withLimit(back, LIMIT_MS, late)
    return performance.now() - startedAt
  }
  try {
    const least = { small: Infinity, large: Infinity }
    for (let round = 0; round < ROUNDS; round++) {
      least.small = Math.min(least.small, await there(1))
      least.large = Math.min(least.large, await there(PROBE_BYTES))
    }
    const ms = least.large - least.small
    return ms > 0 ? (2 * PROBE_BYTES * 8) / 1e3 / ms : undefined
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'PUBLISH_TIMEOUT') return undefined
    throw error
  } finally {
    await subscription.close().catch(() => undefined)
  }
}
