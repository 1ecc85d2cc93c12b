import { type Duplex } from 'node:stream'
import { type Bus, type Will } from '../core/bus.js'
import { MillraceError } from '../core/errors.js'
import { checkTopic } from '../core/topic-filter.js'
import { type ClientOptions, dial, dialStream } from './client.js'
import { DurableIntake } from './durable-intake.js'
import { MqttBus, type MqttBusOptions } from './mqtt-bus.js'

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
  /** Pings after so many seconds without a message. Default 15. */
  readonly keepaliveS?: number | undefined
  /**
   * True: the broker keeps what is for this client while that is away, and each message of quality 1 until `confirm` of it
   * is called. Only one subscription is meaningful then. Default false.
   */
  readonly durable?: boolean | undefined
  /** Default 64 KiB: no message takes long on a slow link (decision D11). */
  readonly maxMessageBytes?: number | undefined
}

/** Decision D11: no message takes long on a slow link. */
export const DEFAULT_MESSAGE_BYTES = 65_536
/** Room for a chunk's header and some content. */
const LEAST_MESSAGE_BYTES = 64

/**
 * @param url  such as `mqtt://127.0.0.1:1883`, `mqtts://` or `ws://`
 * @throws BROKER_UNREACHABLE, BROKER_REFUSED, OPTION_INVALID: the URL or the limit is none; TOPIC_INVALID,
 *   MESSAGE_TOO_LARGE: of the will
 */
export async function connectBus(url: string, options: BusOptions): Promise<MqttBus> {
  const { settings, dialled } = settingsOf(options)
  return new MqttBus(await dial(url, dialled), settings)
}

/** A bus over a stream to a broker in this process. */
export async function connectStream(stream: () => Duplex, options: BusOptions): Promise<Bus> {
  const { settings, dialled } = settingsOf(options)
  return new MqttBus(await dialStream(stream, dialled), settings)
}

function settingsOf(options: BusOptions): { settings: MqttBusOptions; dialled: ClientOptions } {
  const { clientId, reconnect = true, maxMessageBytes = DEFAULT_MESSAGE_BYTES, will } = options
  check(maxMessageBytes, will)
  const durable = options.durable === true ? new DurableIntake() : undefined
  return { settings: { clientId, maxMessageBytes, reconnect, durable }, dialled: { ...options, durable } }
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
