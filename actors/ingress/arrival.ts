import { type SensorTopic } from '../../core/topics.js'

/** A message of a sensor whose topic names a frame. */
export interface Arrival extends SensorTopic {
  /** In memory of its own. */
  readonly payload: Uint8Array
  /** ms since the Unix epoch. */
  readonly arrivedAt: number
}
