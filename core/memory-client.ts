import { type Observable } from 'rxjs'
import {
  type Bus,
  type BusHandler,
  type BusState,
  type PublishOptions,
  type Subscription,
  type Will,
} from './bus.js'
import { busClosed, busDisconnected } from './bus-errors.js'
import { BusStates } from './bus-states.js'
import { MillraceError } from './errors.js'
import { Pending } from './pending.js'
import { type SubscriptionEntry, Subscriptions } from './subscriptions.js'
import { checkFilter, checkTopic } from './topic-filter.js'

const DEFAULT_TIMEOUT_MS = 10_000
/** What may wait for the broker at once (promise 8). */
const MOST_WAITING = 10_000
const MOST_WAITING_BYTES = 256 * 2 ** 20

export interface MemoryBusOptions {
  readonly clientId: string
  readonly will?: Will | undefined
  /** False: a lost connection closes the bus. Default true: it comes back as soon as the broker lets it. */
  readonly reconnect?: boolean | undefined
  /** Default 64 KiB. Nothing is cut into chunks here; it is the limit of retained payloads, as everywhere. */
  readonly maxMessageBytes?: number | undefined
  /** Learns what handlers throw. Default: nobody does. */
  readonly onThrow?: ((error: unknown, topic: string) => void) | undefined
}

export interface MemoryMessage {
  readonly topic: string
  readonly payload: Uint8Array<ArrayBuffer>
  readonly retain: boolean
}

/** One connection of a bus to the broker. What is asked of one that is cut has no answer. */
export interface MemoryConnection {
  publish(message: MemoryMessage, taken: () => void): void
  subscribe(filter: string, done: () => void): void
  unsubscribe(filter: string, done: () => void): void
  end(done: () => void): void
}

/** The client's side of the memory form. */
export class MemoryBus implements Bus {
  readonly clientId: string
  readonly maxMessageBytes: number
  readonly will: Will | undefined
  readonly reconnects: boolean
  private readonly states = new BusStates()
  private readonly subscriptions: Subscriptions
  private connection: MemoryConnection | undefined
  /** Waits that end with the connection, and those that outlive it. */
  private readonly brief = new Pending()
  private readonly lasting = new Pending()
  /** Messages of QoS 1 that the broker has not taken, in order: they go again on the next connection. */
  private readonly untaken = new Map<MemoryMessage, () => void>()
  private waitingBytes = 0
  private closing: Promise<void> | undefined

  constructor(options: MemoryBusOptions) {
    this.clientId = options.clientId
    this.maxMessageBytes = options.maxMessageBytes ?? 65_536
    this.will = options.will
    this.reconnects = options.reconnect ?? true
    this.subscriptions = new Subscriptions(options.onThrow ?? (() => undefined))
  }

  get state$(): Observable<BusState> {
    return this.states.state$
  }

  async publish(topic: string, payload: Uint8Array, options: PublishOptions = {}): Promise<void> {
    const { qos = 0, retain = false, timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options
    checkTopic(topic)
    this.refuseIfDown(qos)
    signal?.throwIfAborted()
    const size = payload.byteLength
    if (retain && size > this.maxMessageBytes) {
      const what = `${size} bytes for '${topic}' cannot be retained`
      throw new MillraceError('MESSAGE_TOO_LARGE', `${what}, the limit is ${this.maxMessageBytes}`)
    }
    this.refuseIfFull(topic, size)
    // The caller may use the bytes again, and a receiver may give them away.
    const message = { topic, payload: new Uint8Array(payload), retain }
    const late = () =>
      new MillraceError('PUBLISH_TIMEOUT', `'${topic}' was not handed over in ${timeoutMs} ms`)
    this.waitingBytes += size
    try {
      const pending = qos === 0 ? this.brief : this.lasting
      await pending.waitFor(this.send(message, qos), timeoutMs, late, signal)
    } finally {
      this.waitingBytes -= size
      this.untaken.delete(message)
    }
  }

  async subscribe(
    filter: string,
    handler: BusHandler,
    { qos = 0 }: { qos?: 0 | 1 } = {},
  ): Promise<Subscription> {
    checkFilter(filter)
    this.refuseIfDown(0)
    const entry = this.subscriptions.add(filter, qos, handler)
    try {
      await this.answer(done => this.connection?.subscribe(filter, done))
    } catch (error) {
      this.subscriptions.remove(entry)
      throw error
    }
    return { close: () => this.unsubscribe(entry) }
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown()
    return this.closing
  }

  /** A connection has come about. */
  connected(connection: MemoryConnection): void {
    this.connection = connection
    this.subscriptions.renew()
    const filters = [...this.subscriptions.filters().keys()]
    const confirmed = filters.map(filter => new Promise<void>(done => connection.subscribe(filter, done)))
    for (const [message, taken] of this.untaken) connection.publish(message, taken)
    void Promise.all(confirmed).then(() => {
      if (this.connection === connection && this.closing === undefined) this.states.become('connected')
    })
  }

  /** The connection has ended without `close`. */
  lost(): void {
    this.connection = undefined
    if (this.closing === undefined) this.states.become('disconnected')
    this.brief.fail(busDisconnected(this.clientId))
    if (!this.reconnects) this.end()
  }

  receive(topic: string, payload: Uint8Array<ArrayBuffer>, retained: boolean): void {
    this.subscriptions.deliver({ topic, payload, owned: true, retained })
  }

  get isClosed(): boolean {
    return this.closing !== undefined || this.states.value === 'closed'
  }

  private send(message: MemoryMessage, qos: 0 | 1): Promise<void> {
    return new Promise(taken => {
      if (qos === 1) this.untaken.set(message, taken)
      this.connection?.publish(message, taken)
    })
  }

  /** Asks the broker for something that it confirms. */
  private answer(ask: (done: () => void) => void): Promise<void> {
    const late = () => new MillraceError('BUS_DISCONNECTED', 'the broker in memory did not answer')
    return this.brief.waitFor(new Promise<void>(ask), DEFAULT_TIMEOUT_MS, late)
  }

  private async unsubscribe(entry: SubscriptionEntry): Promise<void> {
    const last = this.subscriptions.remove(entry)
    const { connection } = this
    if (!last || connection === undefined || this.isClosed) return
    await this.answer(done => connection.unsubscribe(entry.filter, done)).catch(() => undefined)
  }

  private refuseIfDown(qos: 0 | 1): void {
    if (this.isClosed) throw busClosed(this.clientId)
    if (qos === 0 && this.connection === undefined) throw busDisconnected(this.clientId)
  }

  private refuseIfFull(topic: string, size: number): void {
    const many = this.brief.size + this.lasting.size >= MOST_WAITING
    if (!many && (this.waitingBytes === 0 || this.waitingBytes + size <= MOST_WAITING_BYTES)) return
    throw new MillraceError(
      'PUBLISH_TIMEOUT',
      `too much waits to be handed over by bus '${this.clientId}' already, '${topic}' was refused`,
    )
  }

  private async shutDown(): Promise<void> {
    this.subscriptions.clear()
    const { connection } = this
    if (connection !== undefined) {
      await this.answer(done => connection.end(done)).catch(() => undefined)
    }
    this.end()
  }

  private end(): void {
    this.connection = undefined
    this.untaken.clear()
    this.brief.fail(busClosed(this.clientId))
    this.lasting.fail(busClosed(this.clientId))
    this.states.become('closed')
  }
}
