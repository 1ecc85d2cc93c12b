import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { type Delivery, DeliveryRate } from '../core/delivery-rate.js'
import { MillraceError } from '../core/errors.js'
import { type LinkAddress, type LinkKind, type Outlet } from '../core/link.js'
import { type SpareMemory } from '../core/spare-memory.js'
import { PATIENT_KEEPALIVE_S } from './client.js'
import { connectBus } from './connect-bus.js'
import { INBOX_PACKET_BYTES } from './inbox-broker.js'
import { type MqttBus } from './mqtt-bus.js'
import { SilenceWatch } from './silence.js'

/** By then it is known whether the peer can be reached, or the fallback is taken: with some margin within 2 s. */
const SETTLE_MS = 1_200
/** A try then: long enough for the first one over a link that is busy, short enough to be waited for at the end. */
const LATER_TRY_MS = 2_000
const LEAST_TRY_MS = 100
/** A peer that can be reached is waited for while it loads what is to take the messages in. */
const OPENING_MS = 30_000
const RETRY_MS = 50
const LATER_RETRY_MS = 2_000

export interface PeerOutletOptions {
  readonly sendTimeoutMs: number
  /** Where to dial instead of a peer's URL; left out: there. */
  readonly dialled?: ((url: string) => Promise<string>) | undefined
  /** Is given that of messages which have left straight to the peer. */
  readonly memory?: SpareMemory | undefined
}

export type PeerAddress = LinkAddress & { readonly peer: NonNullable<LinkAddress['peer']> }

/**
 * The way straight to one inbox of another runtime. Until that can be reached, and whenever it cannot, messages go the
 * other way, if there is one.
 */
export class PeerOutlet implements Outlet {
  readonly settled: Promise<LinkKind>
  private bus: MqttBus | undefined
  private readonly silence = new SilenceWatch(async () => this.bus?.answer())
  private readonly rate = new DeliveryRate()
  private connected = false
  private readonly ended = new AbortController()
  /** Settles when no try to connect is under way and none will be. */
  private trying: Promise<void> = Promise.resolve()

  /** @param fallback  the way through the cluster's broker */
  constructor(
    private readonly address: PeerAddress,
    private readonly fallback: Outlet,
    private readonly options: PeerOutletOptions,
  ) {
    this.settled = this.settle()
    // Whoever does not ask learns it from `send`.
    this.settled.catch(() => undefined)
  }

  get way(): LinkKind {
    return this.isOpen || this.address.peer.only ? 'peer' : 'broker'
  }

  get delivery(): Delivery | undefined {
    return this.rate.best
  }

  async send(message: Uint8Array): Promise<void> {
    const { peer } = this.address
    if (this.bus !== undefined && (this.isOpen || (this.connected && peer.only))) {
      return this.sendStraight(this.bus, message)
    }
    if (peer.only) throw unreachable(this.address)
    return this.fallback.send(message)
  }

  private get isOpen(): boolean {
    return this.connected && !this.silence.signal.aborted
  }

  /** Where the connection falls silent before the message has left, it goes the other way. */
  private async sendStraight(bus: MqttBus, message: Uint8Array): Promise<void> {
    const { topic, peer } = this.address
    const { sendTimeoutMs } = this.options
    this.silence.sent()
    const { signal } = this.silence
    const arrived = this.rate.leaves(message.byteLength)
    const limit = peer.only ? undefined : signal
    try {
      await bus.publish(topic, message, { qos: 0, timeoutMs: sendTimeoutMs, arrived, signal: limit })
      this.options.memory?.give(message.buffer)
    } catch (error) {
      if (!signal.aborted || peer.only) throw error
      await this.fallback.send(message)
    }
  }

  /** Takes as long as a try to connect that is under way, at most. */
  async close(): Promise<void> {
    this.ended.abort()
    await this.trying
    await Promise.all([this.bus?.close(), this.fallback.close()])
  }

  private settle(): Promise<LinkKind> {
    return new Promise((resolve, reject) => {
      const startedAt = performance.now()
      // Longer for a peer that has answered: a later try that takes too long does not make it unreachable.
      let limitMs = SETTLE_MS
      const run = async () => {
        while (!this.ended.signal.aborted) {
          const left = limitMs - (performance.now() - startedAt)
          const tryMs = left > 0 ? Math.max(LEAST_TRY_MS, left) : LATER_TRY_MS
          const outcome = await this.attempt(Math.min(tryMs, LATER_TRY_MS))
          if (outcome === 'refused') limitMs = OPENING_MS
          const late = performance.now() - startedAt >= limitMs
          if (outcome === 'connected' || (outcome === 'refused' && late)) resolve('peer')
          if (outcome === 'connected') return
          if (late && outcome === 'unreachable') {
            if (this.address.peer.only) reject(unreachable(this.address))
            else resolve('broker')
          }
          await setTimeout(late ? LATER_RETRY_MS : RETRY_MS, undefined, { signal: this.ended.signal })
        }
      }
      this.trying = run()
        .catch(() => undefined)
        .then(() => resolve('broker'))
    })
  }

  /** `refused`: it can be reached, but its inbox is not there yet. */
  private async attempt(connectTimeoutMs: number): Promise<'connected' | 'refused' | 'unreachable'> {
    const { url, username, password } = this.address.peer
    try {
      const where = (await this.options.dialled?.(url)) ?? url
      const clientId = `millrace-peer-${randomBytes(8).toString('hex')}`
      const limits = {
        connectTimeoutMs,
        maxMessageBytes: INBOX_PACKET_BYTES,
        keepaliveS: PATIENT_KEEPALIVE_S,
      }
      this.adopt(await connectBus(where, { clientId, username, password, ...limits }))
      return 'connected'
    } catch (error) {
      return MillraceError.from(error).code === 'BROKER_REFUSED' ? 'refused' : 'unreachable'
    }
  }

  private adopt(bus: MqttBus): void {
    this.bus = bus
    this.rate.reset()
    bus.state$.subscribe(state => (this.connected = state === 'connected'))
    if (this.ended.signal.aborted) void bus.close()
  }
}

function unreachable({ topic, peer }: PeerAddress): MillraceError {
  return new MillraceError('LINK_UNREACHABLE', `no way to '${topic}' at ${peer.url}`)
}
