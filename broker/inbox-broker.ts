import { type BusHandler } from '../core/bus.js'
import { type Inlet } from '../core/link.js'
import { SpareMemory } from '../core/spare-memory.js'
import { type Access, passwordMatcher } from './access.js'
import { Joiner } from './chunking.js'
import { type ClientStream } from './client-stream.js'
import { type EmbeddedBroker, startBroker } from './embedded-broker.js'
import { type TakenMessage } from './intake.js'

/** Largest packet that comes in whole; senders split what is larger. */
export const INBOX_PACKET_BYTES = 16 * 2 ** 20
/** Well within what a sender waits for an answer. */
const REASSURE_MS = 300
/** Each upstream runtime has a connection for each of its stages. */
const MOST_CONNECTIONS = 256

interface Inbox {
  readonly handler: BusHandler
  readonly matches: (password: Uint8Array | undefined) => boolean
  readonly username: string
  /** Connections that have sent something. */
  readonly senders: Set<ClientStream>
  held: boolean
}

export interface InboxCredentials {
  readonly username: string
  readonly password: string
}

/**
 * Where one runtime takes frames from its peers (decision D2): an MQTT broker on which a client may publish to the one
 * inbox that its password is for, and do nothing else. What comes in is handed over at once and goes nowhere else.
 */
export class InboxBroker {
  /** For what comes: of what this runtime has sent. */
  readonly memory = new SpareMemory()
  private readonly inboxes = new Map<string, Inbox>()
  private readonly joiner = new Joiner()
  /** A sender that hears nothing takes the link for broken. */
  private readonly reassuring = setInterval(() => this.reassure(), REASSURE_MS).unref()

  private constructor(private broker: EmbeddedBroker | undefined) {}

  /**
   * @param address  port 0 for a free one
   * @throws PORT_TAKEN, OPTION_INVALID
   */
  static async start(address: { readonly host: string; readonly port: number }): Promise<InboxBroker> {
    const inboxes = new InboxBroker(undefined)
    inboxes.broker = await startBroker({
      ...address,
      access: inboxes.access(),
      intake: { take: (message, from) => inboxes.take(message, from), memory: inboxes.memory },
      limits: { maxPacketBytes: INBOX_PACKET_BYTES + 2 ** 16, maxConnections: MOST_CONNECTIONS },
    })
    return inboxes
  }

  get url(): string {
    return this.broker?.url ?? ''
  }

  /** Lets in who has the credentials, for this topic. */
  open(topic: string, { username, password }: InboxCredentials, handler: BusHandler): Inlet {
    const inbox: Inbox = {
      handler,
      username,
      matches: passwordMatcher(password),
      senders: new Set(),
      held: false,
    }
    this.inboxes.set(topic, inbox)
    return {
      close: () => {
        if (this.inboxes.get(topic) === inbox) this.inboxes.delete(topic)
        for (const sender of inbox.senders) sender.destroy()
        return Promise.resolve()
      },
      hold: () => {
        inbox.held = true
        for (const sender of inbox.senders) sender.hold()
      },
      release: () => {
        inbox.held = false
        for (const sender of inbox.senders) sender.release()
      },
    }
  }

  async close(): Promise<void> {
    clearInterval(this.reassuring)
    await this.broker?.close()
  }

  private reassure(): void {
    for (const { held, senders } of this.inboxes.values()) {
      if (held) for (const sender of senders) sender.reassure()
    }
  }

  private access(): Access {
    return {
      grant: (username, password) => {
        for (const [topic, inbox] of this.inboxes) {
          if (inbox.username !== username || !inbox.matches(password)) continue
          const allowed = () => this.inboxes.get(topic) === inbox
          return { mayPublish: wanted => wanted === topic && allowed(), maySubscribe: () => false }
        }
        return undefined
      },
    }
  }

  private take({ topic, payload, owned }: TakenMessage, from: ClientStream): void {
    const inbox = this.inboxes.get(topic)
    if (inbox === undefined) return
    if (!inbox.senders.has(from)) {
      inbox.senders.add(from)
      from.once('close', () => inbox.senders.delete(from))
    }
    if (inbox.held) from.hold()
    const joined = this.joiner.accept(topic, payload)
    if (joined.state === 'partial') return
    const whole = joined.state === 'whole'
    inbox.handler({
      topic,
      payload: whole ? joined.payload : payload,
      owned: whole || owned,
      retained: false,
    })
  }
}
