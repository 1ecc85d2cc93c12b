import { type SensorTopic } from '../../core/topics.js'

/** A message of a sensor whose topic names a frame. */
export interface Arrival extends SensorTopic {
  /** In memory of its own; empty where it was too large to be kept. */
  readonly payload: Uint8Array
  /** Length of the message. */
  readonly bytes: number
  /** ms since the Unix epoch. */
  readonly arrivedAt: number
  /** Tells the broker that it need not keep the message any more. */
  readonly confirm: () => void
}
