import { type ExecutionContext } from 'ava'
import { InboxBroker } from '../../broker/inbox-broker.js'
import { type PeerAddress } from '../../broker/peer-outlet.js'
import { RawClient } from './raw-client.js'

/** What lets somebody into the inboxes that tests open. */
export const KEY = { username: 'p/1/1', password: 'secret' }

/** A broker of inboxes on a free port of loopback, or on this one; closed after the test. */
export async function inboxBroker(t: ExecutionContext, port = 0): Promise<InboxBroker> {
  const broker = await InboxBroker.start({ host: '127.0.0.1', port })
  t.teardown(() => broker.close())
  return broker
}

/** The address of an inbox, with the way straight to it. */
export function peerAddress(topic: string, url: string, only = false): PeerAddress {
  return { topic, worker: 'w2', peer: { url, ...KEY, only } }
}

/** A client that just does what it is told, with these credentials; it leaves after the test. */
export async function senderTo(
  t: ExecutionContext,
  { url }: InboxBroker,
  options: Parameters<typeof RawClient.join>[2] = {},
): Promise<RawClient> {
  const credentials = { username: KEY.username, password: Buffer.from(KEY.password) }
  const id = `sender-${Math.random().toString(16).slice(2)}`
  const client = await RawClient.join(Number(new URL(url).port), id, { ...credentials, ...options })
  t.teardown(() => client.leave())
  return client
}
