import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { Subject } from 'rxjs'
import { type Bus, type Will } from '../core/bus.js'
import { type Journal, journalOptions, openJournal } from '../actors/journal/index.js'
import { Cleanup } from '../core/cleanup.js'
import { type MillraceError } from '../core/errors.js'
import { isLoopback } from '../core/link.js'
import { defineOptions, type OptionsInput, parseOptions, pickOptions } from '../core/options.js'
import { topicsOf } from '../core/topics.js'
import { checkCapable, connectBus, probeBroker } from '../broker/index.js'
import { Cluster } from './cluster.js'
import { connectOptions, type ConnectOptions } from './connect-options.js'

/** What a program gives for its connection. */
export const programOptions = defineOptions({ ...connectOptions, ...journalOptions })
export type ProgramOptionsInput = OptionsInput<typeof programOptions>

/** What a part of Millrace asks of a connection to the cluster's broker. */
export interface ConnectionWish {
  readonly clientId: string
  readonly will?: Will
  /** False: a lost connection stays lost (decision D5). Default true. */
  readonly reconnect?: boolean
  /** Largest message that is to leave in one piece, for receivers that cannot join chunks; the broker may take less. */
  readonly maxMessageBytes?: number
  /** It carries frames, of which a broker on this machine takes a large one in one piece. Default false. */
  readonly frames?: boolean
  /** See `BusOptions.durable`. Default false. */
  readonly durable?: boolean
  /** Pings after so many seconds without a message; left out, the default of `connectBus`. */
  readonly keepaliveS?: number
}

/** In chunks of 64 KiB an image of 224 by 224 pixels takes ten messages, and a fifth of the frames a second (measured). */
const FRAME_MESSAGE_BYTES = 2 ** 20

/** Opens connections to one broker: through a socket, or in the broker's own process. */
export type OpenBus = (wish: ConnectionWish) => Promise<Bus>

/**
 * Before the first connection of each size of messages the broker is probed, once: no connection sends larger ones than it
 * takes (decision D10).
 * @param url  such as `mqtt://127.0.0.1:1883`
 * @returns connections with the credentials and limits of `options`; what they throw is that of `connectBus`, and
 *   BROKER_INCAPABLE
 */
export function busOpener(url: string, options: ConnectOptions): OpenBus {
  const { connectTimeoutMs } = options
  const credentials = defined({ username: options.username, password: options.password })
  const probes = new Map<number | undefined, Promise<number>>()
  const near = isHere(url)
  return async given => {
    const wish = near ? withLargeFrames(given) : given
    const wanted = wish.maxMessageBytes
    const probe = probes.get(wanted) ?? largestMessage(url, options, wanted)
    probes.set(wanted, probe)
    // A broker that did not answer is asked again.
    probe.catch(() => probes.delete(wanted))
    const maxMessageBytes = await probe
    return connectBus(url, { ...wish, ...credentials, connectTimeoutMs, maxMessageBytes })
  }
}

async function largestMessage(
  url: string,
  options: ConnectOptions,
  wantedBytes: number | undefined,
): Promise<number> {
  const clientId = `millrace-probe-${randomBytes(6).toString('hex')}`
  const topic = topicsOf(options.root).probe(clientId)
  const { username, password, connectTimeoutMs } = options
  const found = await probeBroker(url, { clientId, topic, username, password, connectTimeoutMs, wantedBytes })
  checkCapable(found, url, topic)
  return found.largestMessageBytes
}

/**
 * Connects to a running cluster.
 * @param url  of its broker, such as `mqtt://127.0.0.1:1883`
 * @throws BROKER_UNREACHABLE, BROKER_REFUSED, BROKER_INCAPABLE, JOURNAL_IN_USE, JOURNAL_CORRUPT, JOURNAL_FAILED,
 *   OPTION_UNKNOWN, OPTION_INVALID, TOPIC_INVALID
 */
export async function connect(url: string, options: ProgramOptionsInput = {}): Promise<Cluster> {
  const parsed = parseOptions(programOptions, options, 'connect')
  const own = pickOptions(connectOptions, parsed)
  const trouble$ = new Subject<MillraceError>()
  const journal = await openJournal(pickOptions(journalOptions, parsed), error => trouble$.next(error))
  const cleanup = new Cleanup()
  if (journal !== undefined) cleanup.defer('closing the journal', () => journal.close())
  return openCluster(busOpener(url, own), own, cleanup, { journal, trouble$ })
}

/** What outlives a connection, and where it tells of trouble. */
interface Keeping {
  readonly journal: Journal | undefined
  readonly trouble$: Subject<MillraceError>
}

/** @param cleanup  what is stopped after the connections; run here if they cannot be opened */
export async function openCluster(
  open: OpenBus,
  options: ConnectOptions,
  cleanup: Cleanup,
  keeping: Partial<Keeping> = {},
): Promise<Cluster> {
  const topics = topicsOf(options.root)
  const id = randomBytes(6).toString('hex')
  try {
    const control = await open({ clientId: `millrace-${id}-control` })
    cleanup.defer('closing the control connection', () => control.close())
    const data = await open({ clientId: `millrace-${id}-data`, frames: true })
    cleanup.defer('closing the data connection', () => data.close())
    return await Cluster.open({ control, data, topics, options, cleanup, ...keeping })
  } catch (error) {
    await cleanup.run()
    throw error
  }
}

/** Of a connection to a broker on this machine: a frame goes in one piece, as long as it is not very large. */
export function withLargeFrames({ frames = false, ...wish }: ConnectionWish): ConnectionWish {
  return frames ? { maxMessageBytes: FRAME_MESSAGE_BYTES, ...wish } : wish
}

/** Whether that is an address of this machine. */
function isHere(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { hostname } = new URL(url)
  const own = Object.values(networkInterfaces()).flatMap(all => all ?? [])
  return isLoopback(hostname) || own.some(({ address }) => address === hostname.replace(/^\[|\]$/g, ''))
}

/** `values` without those that are undefined. */
export function defined<T extends Record<string, unknown>>(
  values: T,
): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>
  }
}
