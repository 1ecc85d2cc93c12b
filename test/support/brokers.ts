import { type ExecutionContext } from 'ava'
import { type BrokerOptions, type EmbeddedBroker, startBroker } from '../../broker/embedded-broker.js'
import { type BrokerLimitsInput } from '../../broker/options.js'
import { RawClient } from './raw-client.js'

/** A broker on a free port of loopback, closed after the test. */
export async function brokerFor(
  t: ExecutionContext,
  limits: BrokerLimitsInput = {},
  options: BrokerOptions = {},
): Promise<EmbeddedBroker> {
  const broker = await startBroker({ port: 0, limits, ...options })
  t.teardown(() => broker.close())
  return broker
}

/** Joins clients to a broker; they leave after the test. */
export function clientsOf(t: ExecutionContext, { port }: EmbeddedBroker) {
  return async (clientId: string, options: Parameters<typeof RawClient.join>[2] = {}): Promise<RawClient> => {
    const client = await RawClient.join(port, clientId, options)
    t.teardown(() => client.leave())
    return client
  }
}
