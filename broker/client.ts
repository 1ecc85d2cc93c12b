import { Socket } from 'node:net'
import { type Duplex } from 'node:stream'
import { connect, type IClientOptions, MqttClient } from 'mqtt'
import { type Will } from '../core/bus.js'
import { MillraceError, messageOf } from '../core/errors.js'
import { withLimit } from '../core/wait.js'
import { type DurableIntake } from './durable-intake.js'

export interface ClientOptions {
  readonly clientId: string
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly will?: (Will & { readonly retain?: boolean | undefined }) | undefined
  /** Default true. */
  readonly reconnect?: boolean | undefined
  /** Default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Pings after so many seconds without a message. Default 15. */
  readonly keepaliveS?: number | undefined
  /** False: the broker is to keep the session when the client goes. Default true. */
  readonly clean?: boolean | undefined
  /** Takes each message of quality 1 over, which is then not confirmed when it comes. */
  readonly durable?: DurableIntake | undefined
  /** Learns whether the broker had kept a session. */
  readonly onSession?: ((present: boolean) => void) | undefined
}

const FIRST_RETRY_MS = 200
const LAST_RETRY_MS = 5_000
const KEEPALIVE_S = 15
/**
 * For connections over which runtimes send and take frames. A process that sleeps for half a minute, because its machine
 * swaps or is suspended, still has all that is in its connections when it wakes; given up before, those frames would be
 * lost. Whether a worker is alive is judged by its beats, not here.
 */
export const PATIENT_KEEPALIVE_S = 60

/**
 * A connected MQTT client, over a socket.
 * @throws BROKER_UNREACHABLE, BROKER_REFUSED, OPTION_INVALID: the URL is none
 */
export async function dial(url: string, options: ClientOptions): Promise<MqttClient> {
  const where = describe(url)
  return open(settings => connect(url, settings), where, options)
}

/**
 * A connected MQTT client, over a stream of this process.
 * @throws BROKER_UNREACHABLE, BROKER_REFUSED
 */
export function dialStream(stream: () => Duplex, options: ClientOptions): Promise<MqttClient> {
  return open(settings => new MqttClient(stream, settings), 'the broker in this process', options)
}

async function open(
  create: (settings: IClientOptions) => MqttClient,
  where: string,
  options: ClientOptions,
): Promise<MqttClient> {
  const { reconnect = true, connectTimeoutMs = 5_000 } = options
  const client = create(settingsOf(options))
  client.on('connect', () => leaveAtOnce(client.stream))
  options.durable?.attach(client)
  heedWhatComes(client)
  stayKnown(client, options.keepaliveS)
  client.once('connect', ({ sessionPresent }) => options.onSession?.(sessionPresent))
  try {
    const late = () =>
      new MillraceError('BROKER_UNREACHABLE', `${where} did not answer in ${connectTimeoutMs} ms`)
    await withLimit(connected(client, where), connectTimeoutMs, late)
  } catch (error) {
    void client.endAsync(true).catch(() => undefined)
    throw error
  } finally {
    // What goes wrong later shows in the connection's state; without a listener an error would end the process.
    client.on('error', () => undefined)
  }
  if (reconnect) growRetries(client)
  return client
}

function settingsOf(options: ClientOptions): IClientOptions {
  const {
    clientId,
    username,
    password,
    will,
    reconnect = true,
    connectTimeoutMs = 5_000,
    durable,
    clean = durable === undefined,
    keepaliveS = KEEPALIVE_S,
  } = options
  return {
    protocolVersion: 4,
    clientId,
    clean,
    keepalive: keepaliveS,
    connectTimeout: connectTimeoutMs,
    reconnectPeriod: reconnect ? about(FIRST_RETRY_MS) : 0,
    // After a restart a broker may not know yet whom to let in, as an inbox whose actor is still being loaded.
    reconnectOnConnackError: reconnect,
    queueQoSZero: false,
    resubscribe: false,
    // 65,536 small buffers, which every garbage collection of a process that takes large messages would have to look at.
    writeCache: false,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(will === undefined ? {} : { will: lastWill(will) }),
  }
}

function lastWill({ topic, payload, retain = false }: NonNullable<ClientOptions['will']>) {
  return { topic, payload: Buffer.from(payload), qos: 1, retain } as const
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

/**
 * The answer to a ping may stand behind megabytes, which take a slow link longer than half the keepalive that MQTT.js
 * waits for it. What comes before it shows as well that the broker is there.
 */
function heedWhatComes(client: MqttClient): void {
  let asked = false
  client.on('packetsend', ({ cmd }) => {
    if (cmd === 'pingreq') asked = true
  })
  client.on('packetreceive', () => {
    if (asked) client.reschedulePing(true)
    asked = false
  })
}

/**
 * A broker counts from what it got last, and MQTT.js from what it got itself: where answers are late, on a slow link, it
 * would ping so late that the broker gives the client up.
 */
function stayKnown(client: MqttClient, keepaliveS = KEEPALIVE_S): void {
  const timer = setTimeout(() => {
    if (client.connected) client.sendPing()
  }, keepaliveS * 1_000)
  timer.unref()
  client.on('packetsend', () => timer.refresh())
  client.on('end', () => clearTimeout(timer))
}

/** The end of a message would wait for the receiver's word on its beginning, 40 ms on Linux where nothing comes back. */
function leaveAtOnce(stream: Duplex): void {
  if (stream instanceof Socket) stream.setNoDelay(true)
}

/** After a broker's restart not all clients come back in the same instant. */
function growRetries(client: MqttClient): void {
  let period = FIRST_RETRY_MS
  const set = (next: number) => {
    period = next
    client.options.reconnectPeriod = about(period)
  }
  client.on('connect', () => set(FIRST_RETRY_MS))
  client.on('close', () => set(Math.min(period * 1.6, LAST_RETRY_MS)))
}

function about(ms: number): number {
  return ms * (0.5 + Math.random())
}

/**
 * The URL for messages: what a password is does not belong into them.
 * @throws OPTION_INVALID: it is none of a broker
 */
export function describe(url: string): string {
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
