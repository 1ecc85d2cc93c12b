import { InboxBroker, PeerLink } from '../../broker/index.js'
import { type BusHandler } from '../../core/bus.js'
import { fitRate, quantile, type Rate } from '../../core/costs/index.js'
import { MemoryBroker } from '../../core/memory-bus.js'
import { inRounds } from '../profiler/index.js'

/** In bytes: from next to nothing to the activations of a large layer. */
const SIZES = [1_000, 100_000, 400_000, 1_600_000]
const LIMITS = { budgetMs: 600, fewest: 5, most: 40 }
const USER = { username: 'transport', password: 'transport' }
const TOPIC = 'transport'

/**
 * What a message between two workers costs both of them together, beside its codec: its way through an MQTT client, the
 * operating system and an inbox, all of it in this process.
 * @throws PORT_TAKEN, LINK_UNREACHABLE, BUS_DISCONNECTED, PUBLISH_TIMEOUT
 */
export async function measureTransport(): Promise<Rate> {
  const inbox = await InboxBroker.start({ host: '127.0.0.1', port: 0 })
  const bus = await new MemoryBroker().connect({ clientId: 'transport' })
  const receiver = new PeerLink({ worker: 'receiver', bus, inbox, sendTimeoutMs: 5_000 })
  const sender = new PeerLink({ worker: 'sender', bus, sendTimeoutMs: 5_000 })
  const address = { topic: TOPIC, worker: 'receiver', peer: { ...USER, url: inbox.url, only: true } }
  let arrived: BusHandler = () => undefined
  const inlet = await receiver.listen(address, message => arrived(message))
  const outlet = sender.open(address)
  try {
    await outlet.settled
    const carry = (bytes: number) => () =>
      new Promise<void>((resolve, reject) => {
        arrived = () => resolve()
        outlet.send(new Uint8Array(bytes)).catch(reject)
      })
    const samples = await inRounds(SIZES.map(carry), LIMITS, async () => {})
    // Not the least: what memory costs that is used and freed is part of it.
    return fitRate(
      SIZES,
      samples.map(times => quantile(times, 0.5)),
    )
  } finally {
    await outlet.close()
    await inlet.close()
    await bus.close()
    await inbox.close()
  }
}
