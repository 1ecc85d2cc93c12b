import { type IPublishPacket, type MqttClient } from 'mqtt'
import { BehaviorSubject, type Observable } from 'rxjs'
import {
  type Bus,
  type BusHandler,
  type BusMessage,
  type BusState,
  type PublishOptions,
  type Subscription,
} from '../core/bus.js'
import { MillraceError, messageOf } from '../core/errors.js'
import { checkFilter, checkTopic, matchesFilter } from '../core/topic-filter.js'
import { withLimit } from '../core/wait.js'
import { Joiner, mustSplit, Splitter } from './chunking.js'

const DEFAULT_TIMEOUT_MS = 10_000
/** Messages of QoS 1 that may wait for the broker's word at once. */
const MOST_UNCONFIRMED = 10_000
/** Chunks on their way to the socket at once. */
const CHUNKS_AHEAD = 4

interface Entry {
  readonly filter: string
  readonly qos: 0 | 1
  readonly handler: BusHandler
}

export interface MqttBusOptions {
  readonly clientId: string
  readonly maxMessageBytes: number
  /** False: a lost connection closes the bus. */
  readonly reconnect: boolean
}

/**
 * A Bus on a connected MQTT client. Messages are given to handlers by matching the filters here, so a handler runs once
 * for each copy that the broker sends; Aedes and Mosquitto send one copy to a client, however many of its subscriptions
 * match [MQTT-3.3.5-1]. A value that is retained arrives anew at every matching handler whenever one subscribes.
 */
export class MqttBus implements Bus {
  readonly clientId: string
  readonly maxMessageBytes: number
  private readonly states = new BehaviorSubject<BusState>('connected')
  private readonly entries = new Set<Entry>()
  private readonly splitter = new Splitter()
  private readonly joiner = new Joiner()
  /** Topics on which a payload is leaving in chunks: what follows on them must not overtake it. */
  private readonly leaving = new Map<string, Promise<void>>()
  private unconfirmed = 0
  private closing: Promise<void> | undefined

  constructor(
    private readonly client: MqttClient,
    options: MqttBusOptions,
  ) {
    this.clientId = options.clientId
    this.maxMessageBytes = options.maxMessageBytes
    client.on('message', (topic, payload, packet) => this.receive(topic, payload, packet))
    client.on('connect', () => void this.restore())
    // The state says what happened; without a listener the error would end the process.
    client.on('error', () => undefined)
    client.on('close', () => this.lost(options.reconnect))
  }

  get state$(): Observable<BusState> {
    return this.states.asObservable()
  }

  async publish(topic: string, payload: Uint8Array, options: PublishOptions = {}): Promise<void> {
    const { qos = 0, retain = false, timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options
    checkTopic(topic)
    this.refuseIfDown(qos)
    signal?.throwIfAborted()
    if (retain && payload.byteLength > this.maxMessageBytes) {
      const size = `${payload.byteLength} bytes for '${topic}'`
      throw new MillraceError(
        'MESSAGE_TOO_LARGE',
        `${size} cannot be retained, the limit is ${this.maxMessageBytes}`,
      )
    }
    const late = () =>
      new MillraceError('PUBLISH_TIMEOUT', `'${topic}' was not handed over in ${timeoutMs} ms`)
    await withLimit(this.send(topic, payload, { qos, retain }), timeoutMs, late)
  }

  async subscribe(
    filter: string,
    handler: BusHandler,
    { qos = 0 }: { qos?: 0 | 1 } = {},
  ): Promise<Subscription> {
    checkFilter(filter)
    this.refuseIfDown(0)
    const entry: Entry = { filter, qos, handler }
    this.entries.add(entry)
    try {
      await this.subscribeFilter(filter, qos)
    } catch (error) {
      this.entries.delete(entry)
      throw error
    }
    return { close: () => this.unsubscribe(entry) }
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown()
    return this.closing
  }

  private refuseIfDown(qos: 0 | 1): void {
    if (this.closing !== undefined || this.states.value === 'closed') {
      throw new MillraceError('BUS_CLOSED', `bus '${this.clientId}' was closed`)
    }
    if ((qos === 0 && !this.client.connected) || this.unconfirmed >= MOST_UNCONFIRMED) {
      throw new MillraceError('BUS_DISCONNECTED', `bus '${this.clientId}' has no connection to its broker`)
    }
  }

  private async send(
    topic: string,
    payload: Uint8Array,
    how: { qos: 0 | 1; retain: boolean },
  ): Promise<void> {
    await this.leaving.get(topic)
    if (!mustSplit(payload, this.maxMessageBytes)) return this.sendOne(topic, payload, how)
    const leaving = this.sendChunks(topic, payload, how)
    const quiet = leaving.catch(() => undefined)
    this.leaving.set(topic, quiet)
    try {
      await leaving
    } finally {
      if (this.leaving.get(topic) === quiet) this.leaving.delete(topic)
    }
  }

  private async sendChunks(
    topic: string,
    payload: Uint8Array,
    how: { qos: 0 | 1; retain: boolean },
  ): Promise<void> {
    const ahead: Promise<void>[] = []
    for (const chunk of this.splitter.split(payload, this.maxMessageBytes)) {
      if (ahead.length >= CHUNKS_AHEAD) await ahead.shift()
      ahead.push(this.sendOne(topic, chunk, how))
    }
    await Promise.all(ahead)
  }

  private async sendOne(
    topic: string,
    payload: Uint8Array,
    how: { qos: 0 | 1; retain: boolean },
  ): Promise<void> {
    const message = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    if (how.qos === 1) this.unconfirmed++
    try {
      await this.client.publishAsync(topic, message, how)
    } catch (error) {
      throw MillraceError.from(error, this.closing === undefined ? 'BUS_DISCONNECTED' : 'BUS_CLOSED')
    } finally {
      if (how.qos === 1) this.unconfirmed--
    }
  }

  private async subscribeFilter(filter: string, qos: 0 | 1): Promise<void> {
    const late = () =>
      new MillraceError('BUS_DISCONNECTED', `the broker did not confirm the subscription '${filter}'`)
    try {
      const granted = await withLimit(this.client.subscribeAsync(filter, { qos }), DEFAULT_TIMEOUT_MS, late)
      if (granted.some(({ qos: given }) => given > 2)) throw refused(filter)
    } catch (error) {
      throw /unspecified error|not authorized/i.test(messageOf(error))
        ? refused(filter)
        : MillraceError.from(error, 'BUS_DISCONNECTED')
    }
  }

  private async unsubscribe(entry: Entry): Promise<void> {
    const last =
      this.entries.delete(entry) && ![...this.entries].some(({ filter }) => filter === entry.filter)
    if (!last || !this.client.connected || this.closing !== undefined) return
    const late = () =>
      new MillraceError('BUS_DISCONNECTED', 'the broker did not confirm the end of a subscription')
    await withLimit(this.client.unsubscribeAsync(entry.filter), DEFAULT_TIMEOUT_MS, late).catch(
      () => undefined,
    )
  }

  private receive(topic: string, message: Buffer, packet: IPublishPacket): void {
    const joined = this.joiner.accept(topic, message)
    if (joined.state === 'partial') return
    const whole = joined.state === 'whole'
    const received: BusMessage = {
      topic,
      payload: whole ? joined.payload : message,
      owned: whole,
      retained: packet.retain,
    }
    for (const { filter, handler } of [...this.entries]) {
      if (matchesFilter(filter, topic)) callSafely(handler, received)
    }
  }

  private async restore(): Promise<void> {
    const filters = new Map([...this.entries].map(({ filter, qos }) => [filter, qos]))
    await Promise.allSettled([...filters].map(([filter, qos]) => this.subscribeFilter(filter, qos)))
    if (this.client.connected && this.states.value === 'disconnected') this.states.next('connected')
  }

  private lost(reconnect: boolean): void {
    this.joiner.clear()
    if (this.states.value === 'connected') this.states.next('disconnected')
    if (!reconnect) this.end()
  }

  private async shutDown(): Promise<void> {
    this.entries.clear()
    await withLimit(
      this.client.endAsync(),
      1_000,
      () => new MillraceError('BUS_DISCONNECTED', 'no farewell'),
    ).catch(() => this.client.endAsync(true))
    this.end()
  }

  private end(): void {
    if (this.states.value === 'closed') return
    this.states.next('closed')
    this.states.complete()
  }
}

/** A handler that throws is a fault in the program; it must not take the connection and the other handlers with it. */
function callSafely(handler: BusHandler, message: BusMessage): void {
  try {
    handler(message)
  } catch (error) {
    const warning = `a handler of '${message.topic}' threw: ${messageOf(error)}`
    process.emitWarning(warning, { type: 'MillraceWarning', code: 'INTERNAL' })
  }
}

function refused(filter: string): MillraceError {
  return new MillraceError('BROKER_REFUSED', `the broker does not allow the subscription '${filter}'`)
}
