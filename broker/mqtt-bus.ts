import { type IPublishPacket, type MqttClient } from 'mqtt'
import { type Observable } from 'rxjs'
import {
  type Bus,
  type BusHandler,
  type BusState,
  type PublishOptions,
  type Subscription,
} from '../core/bus.js'
import { busClosed, busDisconnected } from '../core/bus-errors.js'
import { BusStates } from '../core/bus-states.js'
import { MillraceError, messageOf } from '../core/errors.js'
import { Pending } from '../core/pending.js'
import { type SubscriptionEntry, Subscriptions } from '../core/subscriptions.js'
import { checkFilter, checkTopic } from '../core/topic-filter.js'
import { withLimit } from '../core/wait.js'
import { Arrivals } from './arrivals.js'
import { type DurableIntake } from './durable-intake.js'
import { writePublish } from './write-publish.js'
import { Joiner, mustSplit, Splitter, takesSeveral } from './chunking.js'

const DEFAULT_TIMEOUT_MS = 10_000
/** Messages that may wait to be handed over at once (promise 8). */
const MOST_WAITING = 10_000
/** Chunks on their way to the socket at once. */
const CHUNKS_AHEAD = 4
const FAREWELL_MS = 1_000

interface How {
  readonly qos: 0 | 1
  readonly retain: boolean
  readonly arrived?: (() => void) | undefined
}

export interface MqttPublishOptions extends PublishOptions {
  /**
   * Called when the other end has the message, of QoS 0 and in one piece: it is asked to say so, and nothing follows where
   * it does not. Not beside messages of QoS 1, whose acknowledgements may have the same names.
   */
  readonly arrived?: (() => void) | undefined
}

export interface MqttBusOptions {
  readonly clientId: string
  readonly maxMessageBytes: number
  /** False: a lost connection closes the bus. */
  readonly reconnect: boolean
  readonly durable?: DurableIntake | undefined
}

/**
 * A Bus on a connected MQTT client. Aedes and Mosquitto send a client one copy of a message, however many of its filters
 * match [MQTT-3.3.5-1]; which handlers it is for is found here.
 */
export class MqttBus implements Bus {
  readonly clientId: string
  readonly maxMessageBytes: number
  private readonly states = new BusStates()
  private readonly subscriptions = new Subscriptions(warn)
  private readonly splitter = new Splitter()
  private readonly joiner = new Joiner()
  /** The end of what is leaving on a topic since a payload left in chunks there: nothing may overtake those. */
  private readonly leaving = new Map<string, Promise<void>>()
  /** Calls of `publish` whose messages are not handed over, those that have given up waiting among them. */
  private waiting = 0
  private readonly arrivals = new Arrivals()
  /** Waits that end with the connection, and those that outlive it. */
  private readonly brief = new Pending()
  private readonly lasting = new Pending()
  private closing: Promise<void> | undefined

  constructor(
    private readonly client: MqttClient,
    private readonly options: MqttBusOptions,
  ) {
    this.clientId = options.clientId
    this.maxMessageBytes = options.maxMessageBytes
    unlimitListeners(client)
    client.on('message', (topic, payload, packet) => {
      if (options.durable === undefined || packet.qos !== 1) this.receive(topic, payload, packet)
    })
    client.on('packetreceive', packet => {
      if (packet.cmd === 'puback') this.arrivals.acknowledged(packet.messageId)
    })
    client.on('connect', () => void this.restore())
    // The state says what happened; without a listener the error would end the process.
    client.on('error', () => undefined)
    client.on('close', () => this.lost(options.reconnect))
  }

  get state$(): Observable<BusState> {
    return this.states.state$
  }

  async publish(topic: string, payload: Uint8Array, options: MqttPublishOptions = {}): Promise<void> {
    const { qos = 0, retain = false, timeoutMs = DEFAULT_TIMEOUT_MS, signal, arrived } = options
    checkTopic(topic)
    this.refuseIfDown(qos)
    signal?.throwIfAborted()
    if (retain && takesSeveral(payload, this.maxMessageBytes)) {
      const what = `${payload.byteLength} bytes for '${topic}' cannot be retained`
      throw new MillraceError('MESSAGE_TOO_LARGE', `${what}, the limit is ${this.maxMessageBytes}`)
    }
    this.refuseIfFull(topic)
    const late = () =>
      new MillraceError('PUBLISH_TIMEOUT', `'${topic}' was not handed over in ${timeoutMs} ms`)
    await withLimit(this.send(topic, payload, { qos, retain, arrived }), timeoutMs, late, signal)
  }

  async subscribe(
    filter: string,
    handler: BusHandler,
    { qos = 0 }: { qos?: 0 | 1 } = {},
  ): Promise<Subscription> {
    checkFilter(filter)
    this.refuseIfDown(0)
    const entry = this.subscriptions.add(filter, qos, handler)
    this.options.durable?.listen((packet, confirm) => {
      this.receive(packet.topic, Buffer.from(packet.payload), packet, confirm)
    })
    try {
      await this.subscribeFilter(filter, this.subscriptions.filters().get(filter) ?? qos)
    } catch (error) {
      this.subscriptions.remove(entry)
      throw error
    }
    return { close: () => this.unsubscribe(entry) }
  }

  /** Asks the other end for a sign of life. Resolves when anything has come from it, or the connection has ended. */
  answer(): Promise<void> {
    const { client } = this
    return new Promise(resolve => {
      const settle = () => {
        client.off('packetreceive', settle).off('close', settle)
        resolve()
      }
      client.on('packetreceive', settle).on('close', settle)
      if (client.connected) client.sendPing()
      else settle()
    })
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown()
    return this.closing
  }

  private refuseIfDown(qos: 0 | 1): void {
    if (this.closing !== undefined || this.states.value === 'closed') throw busClosed(this.clientId)
    if (qos === 0 && !this.client.connected) throw busDisconnected(this.clientId)
  }

  private refuseIfFull(topic: string): void {
    if (this.waiting < MOST_WAITING) return
    throw new MillraceError(
      'PUBLISH_TIMEOUT',
      `${MOST_WAITING} messages wait to be handed over by bus '${this.clientId}' already, '${topic}' was refused`,
    )
  }

  private async send(topic: string, payload: Uint8Array, how: How): Promise<void> {
    this.waiting++
    try {
      await this.sendInOrder(topic, payload, how)
    } finally {
      this.waiting--
    }
  }

  private async sendInOrder(topic: string, payload: Uint8Array, how: How): Promise<void> {
    const before = this.leaving.get(topic)
    const split = mustSplit(payload, this.maxMessageBytes)
    if (before === undefined && !split) return this.sendOne(topic, payload, how)
    const { qos, retain } = how
    const act = () =>
      split ? this.sendChunks(topic, payload, { qos, retain }) : this.sendOne(topic, payload, how)
    const sent = before === undefined ? act() : before.then(act)
    const end = sent.catch(() => undefined)
    this.leaving.set(topic, end)
    try {
      await sent
    } finally {
      if (this.leaving.get(topic) === end) this.leaving.delete(topic)
    }
  }

  private async sendChunks(topic: string, payload: Uint8Array, how: How): Promise<void> {
    const ahead: Promise<void>[] = []
    for (const chunk of this.splitter.split(payload, this.maxMessageBytes)) {
      if (ahead.length >= CHUNKS_AHEAD) await ahead.shift()
      const sent = this.sendOne(topic, chunk, how)
      // The first that fails ends the loop: nobody would see that the next ones fail too.
      sent.catch(() => undefined)
      ahead.push(sent)
    }
    await Promise.all(ahead)
  }

  private async sendOne(topic: string, payload: Uint8Array, { qos, retain, arrived }: How): Promise<void> {
    this.refuseIfDown(qos)
    const message = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    try {
      // A message of QoS 0 ends with its connection.
      if (qos === 0) await this.brief.wait(this.write(topic, message, retain, arrived))
      else await this.lasting.wait(this.client.publishAsync(topic, message, { qos, retain }))
    } catch (error) {
      throw MillraceError.from(error, this.closing === undefined ? 'BUS_DISCONNECTED' : 'BUS_CLOSED')
    }
  }

  private write(topic: string, message: Buffer, retain: boolean, arrived?: () => void): Promise<void> {
    const id = arrived === undefined ? undefined : this.arrivals.expect(arrived)
    return writePublish(this.client.stream, topic, message, { retain, id })
  }

  private async subscribeFilter(filter: string, qos: 0 | 1): Promise<void> {
    const late = () =>
      new MillraceError('BUS_DISCONNECTED', `the broker did not confirm the subscription '${filter}'`)
    try {
      const asked = this.client.subscribeAsync(filter, { qos })
      const granted = await this.brief.waitFor(asked, DEFAULT_TIMEOUT_MS, late)
      if (granted.some(({ qos: given }) => given > 2)) throw refused(filter)
    } catch (error) {
      throw /unspecified error|not authorized/i.test(messageOf(error))
        ? refused(filter)
        : MillraceError.from(error, 'BUS_DISCONNECTED')
    }
  }

  private async unsubscribe(entry: SubscriptionEntry): Promise<void> {
    const last = this.subscriptions.remove(entry)
    if (!last || !this.client.connected || this.closing !== undefined) return
    const late = () =>
      new MillraceError('BUS_DISCONNECTED', 'the broker did not confirm the end of a subscription')
    const asked = this.client.unsubscribeAsync(entry.filter)
    await this.brief.waitFor(asked, DEFAULT_TIMEOUT_MS, late).catch(() => undefined)
  }

  private receive(topic: string, message: Buffer, packet: IPublishPacket, confirm?: () => void): void {
    const joined = this.joiner.accept(topic, message)
    // Of a payload in chunks only the last one waits.
    if (joined.state === 'partial') return confirm?.()
    const whole = joined.state === 'whole'
    const payload = whole ? joined.payload : message
    const about = { topic, payload, owned: whole, retained: packet.retain }
    this.subscriptions.deliver(confirm === undefined ? about : { ...about, confirm })
  }

  private async restore(): Promise<void> {
    unlimitListeners(this.client)
    this.subscriptions.renew()
    const filters = [...this.subscriptions.filters()]
    const restored = await Promise.allSettled(
      filters.map(([filter, qos]) => this.subscribeFilter(filter, qos)),
    )
    if (!this.client.connected || this.closing !== undefined) return
    for (const result of restored) if (result.status === 'rejected') warn(result.reason, 'a subscription')
    this.states.become('connected')
  }

  private lost(reconnect: boolean): void {
    this.joiner.clear()
    this.arrivals.clear()
    if (this.closing !== undefined) return
    this.states.become('disconnected')
    this.brief.fail(busDisconnected(this.clientId))
    if (!reconnect) this.end()
  }

  private async shutDown(): Promise<void> {
    this.subscriptions.clear()
    const farewell = this.client.endAsync(!this.client.connected)
    const late = () => new MillraceError('BUS_DISCONNECTED', 'no farewell')
    // While messages are unconfirmed the client would wait for ever, and a second `end` does nothing.
    await withLimit(farewell, FAREWELL_MS, late).catch(() => this.client.stream.destroy())
    this.end()
  }

  private end(): void {
    this.brief.fail(busClosed(this.clientId))
    this.lasting.fail(busClosed(this.clientId))
    this.states.become('closed')
  }
}

/** A handler that throws is a fault in the program; it must not take the connection and the other handlers with it. */
function warn(error: unknown, topic: string): void {
  const warning = `'${topic}': ${messageOf(error)}`
  process.emitWarning(warning, { type: 'MillraceWarning', code: 'INTERNAL' })
}

/** Each message that the socket does not take at once has a listener on it; `MOST_WAITING` bounds them. */
function unlimitListeners(client: MqttClient): void {
  client.stream.setMaxListeners(0)
}

function refused(filter: string): MillraceError {
  return new MillraceError('BROKER_REFUSED', `the broker does not allow the subscription '${filter}'`)
}
