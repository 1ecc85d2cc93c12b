import { type Duplex } from 'node:stream'
import { connect, type IClientOptions, MqttClient } from 'mqtt'
import { type Bus, type Will } from '../core/bus.js'
import { MillraceError, messageOf } from '../core/errors.js'
import { checkTopic } from '../core/topic-filter.js'
import { withLimit } from '../core/wait.js'
import { MqttBus } from './mqtt-bus.js'

export interface BusOptions {
  /** Its own among all clients of the broker: a broker keeps the newest connection under an id. */
  readonly clientId: string
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly will?: Will | undefined
  /** False: a lost connection closes the bus. Default true: it reconnects, at growing intervals with chance in them. */
  readonly reconnect?: boolean | undefined
  /** Default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Default 64 KiB: no message takes long on a slow link (decision D11). */
  readonly maxMessageBytes?: number | undefined
}

const FIRST_RETRY_MS = 200
const LAST_RETRY_MS = 5_000
const KEEPALIVE_S = 15
/** Room for a chunk's header and some content. */
const LEAST_MESSAGE_BYTES = 64

/**
 * @param url  such as `mqtt://127.0.0.1:1883`, `mqtts://` or `ws://`
 * @throws BROKER_UNREACHABLE, BROKER_REFUSED, OPTION_INVALID: the URL or the limit is none; TOPIC_INVALID,
 *   MESSAGE_TOO_LARGE: of the will
 */
export async function connectBus(url: string, options: BusOptions): Promise<Bus> {
  const where = describe(url)
  return open(settings => connect(url, settings), where, options)
}

/** A bus over a stream to a broker in this process. */
export function connectStream(stream: () => Duplex, options: BusOptions): Promise<Bus> {
  return open(settings => new MqttClient(stream, settings), 'the broker in this process', options)
}

async function open(
  create: (settings: IClientOptions) => MqttClient,
  where: string,
  options: BusOptions,
): Promise<Bus> {
  const { clientId, reconnect = true, maxMessageBytes = 65_536, connectTimeoutMs = 5_000 } = options
  check(maxMessageBytes, options.will)
  const client = create(settingsOf(options))
  try {
    const late = () =>
      new MillraceError('BROKER_UNREACHABLE', `${where} did not answer in ${connectTimeoutMs} ms`)
    await withLimit(connected(client, where), connectTimeoutMs, late)
  } catch (error) {
    // An error after this one is of no interest, and would end the process without a listener.
    client.on('error', () => undefined)
    void client.endAsync(true).catch(() => undefined)
    throw error
  }
  if (reconnect) growRetries(client)
  return new MqttBus(client, { clientId, maxMessageBytes, reconnect })
}

function check(maxMessageBytes: number, will: Will | undefined): void {
  if (!Number.isSafeInteger(maxMessageBytes) || maxMessageBytes < LEAST_MESSAGE_BYTES) {
    throw new MillraceError(
      'OPTION_INVALID',
      `maxMessageBytes is ${maxMessageBytes}, but must be an integer of ${LEAST_MESSAGE_BYTES} or more`,
    )
  }
  if (will === undefined) return
  checkTopic(will.topic)
  const size = will.payload.byteLength
  if (size > maxMessageBytes) {
    throw new MillraceError(
      'MESSAGE_TOO_LARGE',
      `the will for '${will.topic}' has ${size} bytes, the limit is ${maxMessageBytes}`,
    )
  }
}

function settingsOf(options: BusOptions): IClientOptions {
  const { clientId, username, password, will, reconnect = true, connectTimeoutMs = 5_000 } = options
  return {
    protocolVersion: 4,
    clientId,
    clean: true,
    keepalive: KEEPALIVE_S,
    connectTimeout: connectTimeoutMs,
    reconnectPeriod: reconnect ? FIRST_RETRY_MS : 0,
    queueQoSZero: false,
    resubscribe: false,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(will === undefined
      ? {}
      : { will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: false } }),
  }
}

function connected(client: MqttClient, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      client.off('connect', onConnect).off('error', onError).off('close', onClose)
      act()
    }
    const onConnect = () => settle(resolve)
    const onError = (error: Error) => settle(() => reject(failure(error, where)))
    const onClose = () =>
      settle(() => reject(new MillraceError('BROKER_UNREACHABLE', `${where} closed the connection`)))
    client.once('connect', onConnect).once('error', onError).once('close', onClose)
  })
}

/** CONNACK codes 1 to 5 say that the broker is there and does not want the client. */
function failure(error: Error & { code?: unknown }, where: string): MillraceError {
  const code = typeof error.code === 'number' && error.code > 0 ? 'BROKER_REFUSED' : 'BROKER_UNREACHABLE'
  const reason = messageOf(error) || String(error.code)
  return new MillraceError(code, `${where}: ${reason}`, { cause: error })
}

/** After a broker's restart not all clients come back in the same instant. */
function growRetries(client: MqttClient): void {
  let period = FIRST_RETRY_MS
  client.on('connect', () => {
    period = FIRST_RETRY_MS
  })
  client.on('close', () => {
    period = Math.min(period * 1.6, LAST_RETRY_MS)
    client.options.reconnectPeriod = period * (0.5 + Math.random())
  })
}

/** The URL for messages: what a password is does not belong into them. */
function describe(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const known = parsed !== undefined && ['mqtt:', 'mqtts:', 'ws:', 'wss:'].includes(parsed.protocol)
  if (!known || parsed.hostname === '') {
    const shown = url.replace(/\/\/[^/]*@/, '//')
    throw new MillraceError(
      'OPTION_INVALID',
      `'${shown}' is not the URL of a broker, such as mqtt://127.0.0.1:1883`,
    )
  }
  return `${parsed.protocol}//${parsed.host}`
}
