import { type MqttClient } from 'mqtt'
import { MillraceError } from '../core/errors.js'
import { withLimit } from '../core/wait.js'
import { type ClientOptions, dial } from './client.js'
import { DEFAULT_MESSAGE_BYTES } from './connect-bus.js'

/** What a broker can do, as it was seen doing it. */
export interface BrokerCapabilities {
  /** Largest payload that came back, of those that were tried; at most what was wanted. 0: none did. Bytes. */
  readonly largestMessageBytes: number
  /** It keeps values for later subscribers. */
  readonly retained: boolean
  /** It serves filters with `+` and `#`. */
  readonly wildcard: boolean
  /** It keeps a client's subscriptions while the client is away. */
  readonly persistentSession: boolean
}

export interface ProbeOptions {
  /** No other client may have it. */
  readonly clientId: string
  /** What is tried is published on this topic and below it. */
  readonly topic: string
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** Limit on each connection. Default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /**
   * Limit on each of the things that are tried. A capable broker on a busy machine must not be taken for another, so by
   * default it has as long as a connection.
   */
  readonly stepTimeoutMs?: number | undefined
  /** Payload that is tried first; then its halves, down to 1 KiB. Default 64 KiB. */
  readonly wantedBytes?: number | undefined
}

const CONNECT_TIMEOUT_MS = 5_000
const LEAST_BYTES = 1_024
/** What a long topic and the headers take beside the payload. */
const HEADROOM_BYTES = 256

type Step = (client: MqttClient) => Promise<boolean>

/**
 * Finds out what a broker can do (decision D10), on connections of its own: a broker may end one that asks for too much.
 * Takes a few milliseconds beside the round trips, at most `stepTimeoutMs` for each thing that the broker cannot do.
 * @throws BROKER_UNREACHABLE, BROKER_REFUSED, OPTION_INVALID: the URL is none
 */
export async function probeBroker(url: string, options: ProbeOptions): Promise<BrokerCapabilities> {
  const { topic, wantedBytes = DEFAULT_MESSAGE_BYTES } = options
  const prober = new Prober(url, options)
  try {
    const largestMessageBytes = await largest(prober, `${topic}/size`, wantedBytes)
    const wildcard =
      (await prober.does(client => hears(client, `${topic}/+`, `${topic}/any`))) &&
      (await prober.does(client => hears(client, `${topic}/#`, `${topic}/any`)))
    const retained = await prober.keeps(`${topic}/kept`)
    if (!retained) await prober.does(client => forgets(client, `${topic}/kept`))
    return { largestMessageBytes, wildcard, retained, persistentSession: await prober.remembers(topic) }
  } finally {
    await prober.close()
  }
}

/** @throws BROKER_INCAPABLE: it lacks what Millrace cannot do without */
export function checkCapable(capabilities: BrokerCapabilities, url: string, topic: string): void {
  const { largestMessageBytes, retained, wildcard } = capabilities
  const missing = [
    ...(largestMessageBytes > 0 ? [] : [`messages of ${LEAST_BYTES} bytes`]),
    ...(retained ? [] : ['retained messages']),
    ...(wildcard ? [] : ['subscriptions with wildcards']),
  ]
  if (missing.length === 0) return
  const where = new URL(url).host
  throw new MillraceError(
    'BROKER_INCAPABLE',
    `the broker at ${where} does not serve ${missing.join(', ')}, or does not allow them on '${topic}/#'`,
  )
}

/** Tries things one after the other, on a new connection where the last one did not survive. */
class Prober {
  private client: MqttClient | undefined

  constructor(
    private readonly url: string,
    private readonly options: ProbeOptions,
  ) {}

  /** Whether the step succeeds in time and on a connection that lasts. */
  async does(step: Step): Promise<boolean> {
    this.client = this.client?.connected === true ? this.client : await this.dial({})
    const { client } = this
    let onClose: () => void = () => undefined
    const lost = new Promise<boolean>(resolve => {
      onClose = () => resolve(false)
      client.once('close', onClose)
    })
    const late = () => new MillraceError('BROKER_INCAPABLE', 'the broker does not do it')
    const { stepTimeoutMs, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.options
    const limit = stepTimeoutMs ?? connectTimeoutMs
    try {
      // A refused subscription is an error of the step's.
      return await withLimit(Promise.race([step(client), lost]), limit, late).catch(() => false)
    } finally {
      client.off('close', onClose)
    }
  }

  /** Whether a value is kept. Where this process ends before it has taken the value back, its will does. */
  async keeps(topic: string): Promise<boolean> {
    await this.close()
    const will = { topic, payload: new Uint8Array(), retain: true }
    // A broker that keeps nothing may refuse a will that is to be kept.
    this.client = await this.dial({ will }).catch(() => undefined)
    return this.client !== undefined && (await this.does(client => keeps(client, topic)))
  }

  /** Whether a session is there again for the client that has left it. */
  async remembers(topic: string): Promise<boolean> {
    await this.close()
    let present = false
    const onSession = (there: boolean) => (present = there)
    this.client = await this.dial({ clean: false })
    const kept = await this.does(async client => {
      await client.subscribeAsync(`${topic}/session`, { qos: 1 })
      return true
    })
    await this.close()
    if (kept) await end(await this.dial({ clean: false, onSession }))
    // A clean one ends what was kept.
    await end(await this.dial({}))
    return present
  }

  async close(): Promise<void> {
    const { client } = this
    this.client = undefined
    if (client !== undefined) await end(client)
  }

  private dial(more: Partial<ClientOptions>): Promise<MqttClient> {
    const { clientId, username, password, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.options
    return dial(this.url, { clientId, username, password, connectTimeoutMs, reconnect: false, ...more })
  }
}

async function largest(prober: Prober, topic: string, wanted: number): Promise<number> {
  for (let size = wanted; size >= LEAST_BYTES; size = Math.floor(size / 2)) {
    if (await prober.does(client => carries(client, topic, size + HEADROOM_BYTES))) return size
  }
  return 0
}

/** A broker that leaves a large message out in silence lets the small one behind it through. */
async function carries(client: MqttClient, topic: string, size: number): Promise<boolean> {
  await client.subscribeAsync(topic)
  const first = nextOn(client, topic, () => true)
  for (const payload of [Buffer.alloc(size), Buffer.of(1)]) client.publish(topic, payload, noop)
  return (await first) === size
}

async function hears(client: MqttClient, filter: string, topic: string): Promise<boolean> {
  await client.subscribeAsync(filter)
  const heard = nextOn(client, topic, () => true)
  client.publish(topic, Buffer.of(1), noop)
  await heard
  await client.unsubscribeAsync(filter)
  return true
}

async function keeps(client: MqttClient, topic: string): Promise<boolean> {
  await client.subscribeAsync(topic)
  // A broker may confirm before it has kept the value, but hands it out only after.
  const live = nextOn(client, topic, () => true)
  client.publish(topic, Buffer.of(1), { retain: true }, noop)
  await live
  const kept = nextOn(client, topic, retained => retained)
  await client.unsubscribeAsync(topic)
  await client.subscribeAsync(topic)
  await kept
  return forgets(client, topic)
}

async function forgets(client: MqttClient, topic: string): Promise<boolean> {
  await client.publishAsync(topic, Buffer.alloc(0), { retain: true, qos: 1 })
  return true
}

/** The size of the next message on `topic` that is retained as `wanted` says. */
function nextOn(client: MqttClient, topic: string, wanted: (retained: boolean) => boolean): Promise<number> {
  return new Promise(resolve => {
    const onMessage = (on: string, payload: Buffer, packet: { retain: boolean }) => {
      if (on !== topic || !wanted(packet.retain)) return
      client.off('message', onMessage)
      resolve(payload.byteLength)
    }
    client.on('message', onMessage)
  })
}

/** What comes of a message shows in what arrives. */
function noop(): void {
  return undefined
}

async function end(client: MqttClient): Promise<void> {
  const late = () => new MillraceError('BUS_DISCONNECTED', 'no farewell')
  await withLimit(client.endAsync(!client.connected), 1_000, late).catch(() => client.stream.destroy())
}
