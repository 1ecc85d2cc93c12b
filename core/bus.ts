import { type Observable } from 'rxjs'

/** A message as a subscriber sees it. */
export interface BusMessage {
  readonly topic: string
  /**
   * The whole payload (chunks are already joined). It may be a view into a larger buffer that is used again after the
   * handler returns: copy what must outlive it, unless `owned` is true.
   */
  readonly payload: Uint8Array
  /** True when `payload` spans its whole ArrayBuffer, which nobody else holds: it may be transferred to a thread. */
  readonly owned: boolean
  /** True when the broker kept it for new subscribers, false when it was just published. */
  readonly retained: boolean
  /**
   * Set on a durable connection for a message of quality 1: to be called when it has been taken care of. Until then the
   * broker has it, and delivers it again after the next connection.
   */
  readonly confirm?: () => void
}

export interface PublishOptions {
  /** 0: at most once, not queued while disconnected. 1: at least once. Default 0. */
  readonly qos?: 0 | 1
  /** Keep it as the topic's last value for later subscribers; an empty payload removes that value. Default false. */
  readonly retain?: boolean
  /** Gives up waiting; the message may or may not have left. */
  readonly signal?: AbortSignal | undefined
  /** Limit on the wait for the hand-over (QoS 0: to the socket; QoS 1: to the broker), in ms. */
  readonly timeoutMs?: number
}

/** Runs for each message in order of arrival. It must return at once: to hold a sender back is the link's work. */
export type BusHandler = (message: BusMessage) => void

export interface Subscription {
  /** Resolves when the broker has confirmed; no message arrives after that. */
  close(): Promise<void>
}

export type BusState = 'connected' | 'disconnected' | 'closed'

/** A last message that the broker publishes when this connection ends without `close`. */
export interface Will {
  readonly topic: string
  readonly payload: Uint8Array
}

/**
 * A connection to a publish-subscribe broker with MQTT 3.1.1 semantics: topics of levels joined by `/`, filters with
 * `+` and a trailing `#`, order kept per publisher and topic, retained values, a will. What runs on it does not know
 * which form it has: in memory, an MQTT client, or an in-process client of the embedded broker.
 */
export interface Bus {
  readonly clientId: string
  /** Largest payload that leaves in one piece; larger ones go in chunks, which every Bus joins again. Bytes. */
  readonly maxMessageBytes: number
  /** The current state at once, then each change; completes when closed. */
  readonly state$: Observable<BusState>
  /**
   * @param payload  not to be written to afterwards: it may leave later
   * @throws BUS_CLOSED, BUS_DISCONNECTED (QoS 0 only), PUBLISH_TIMEOUT (also at once, when too much waits already),
   *   TOPIC_INVALID (also the broker's own topics, `$…`), MESSAGE_TOO_LARGE (a retained payload above maxMessageBytes:
   *   chunks cannot be retained); the reason of `signal`
   */
  publish(topic: string, payload: Uint8Array, options?: PublishOptions): Promise<void>
  /**
   * Resolves when the broker has confirmed. Lasts over reconnections; retained values arrive anew after each.
   * A message that several of a bus's filters match runs the handler of each exactly once.
   * A retained value does not follow a newer live message of its topic.
   * @throws BUS_CLOSED, BUS_DISCONNECTED, TOPIC_INVALID
   */
  subscribe(filter: string, handler: BusHandler, options?: { qos?: 0 | 1 }): Promise<Subscription>
  /** Ends the connection as intended: the will is not published. Idempotent. */
  close(): Promise<void>
}
