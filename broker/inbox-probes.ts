import { randomBytes } from 'node:crypto'
import { type Bus, type Subscription } from '../core/bus.js'
import { type ProbeTarget, type ProbeUser } from '../core/control/index.js'
import { type PeerProbes } from '../core/peer-probes.js'
import { connectBus } from './connect-bus.js'
import { INBOX_PACKET_BYTES, type InboxBroker } from './inbox-broker.js'

/** A peer that takes longer to answer has no link worth measuring. */
const CONNECT_TIMEOUT_MS = 2_000

interface OpenProbe {
  readonly password: string
  readonly inbox: Subscription
}

/** Probes of links between inbox brokers: each user has an inbox of its own, of which nothing comes out. */
export class InboxProbes implements PeerProbes {
  private readonly open = new Map<string, OpenProbe>()

  /** @param inbox  left out: nobody can send straight here */
  constructor(private readonly inbox?: InboxBroker) {}

  accept(users: readonly ProbeUser[]): void {
    const wanted = new Map(users.map(({ username, password }) => [username, password]))
    for (const [username, { password, inbox }] of this.open) {
      if (wanted.get(username) === password) continue
      this.open.delete(username)
      void inbox.close()
    }
    for (const [username, password] of wanted) {
      if (this.inbox === undefined || this.open.has(username)) continue
      const inbox = this.inbox.open(username, { username, password }, () => undefined)
      this.open.set(username, { password, inbox })
    }
  }

  connect({ url, username, password }: ProbeTarget): Promise<Bus> {
    return connectBus(url, {
      clientId: `millrace-probe-${randomBytes(8).toString('hex')}`,
      username,
      password,
      reconnect: false,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      maxMessageBytes: INBOX_PACKET_BYTES,
    })
  }
}
