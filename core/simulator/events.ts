import { type Outage } from './timeline.js'

/** A frame that was admitted. */
export interface SimulatedFrame {
  readonly sequence: number
  readonly admittedAt: number
  /** When it was sent last. */
  sentAt: number
  /** Frames that were under way when it was sent first. */
  ahead: number
}

/** From here on the receiver's card can take a message without a pause. */
export interface Arrival {
  readonly kind: 'arrival'
  readonly frame: SimulatedFrame
  /** The stage; the number of stages for the dispatcher. */
  readonly station: number
  readonly device: number
}

export type Event =
  /** The source has a frame, whether or not there is room for it. */
  | { readonly kind: 'source' }
  | Arrival
  | { readonly kind: 'result'; readonly frame: SimulatedFrame }
  /** The dispatcher notices it; `outage` is undefined where a sender knew of no way on. */
  | { readonly kind: 'lost'; readonly frame: SimulatedFrame; readonly outage: Outage | undefined }
  | { readonly kind: 'deadline'; readonly frame: SimulatedFrame }
  /** Something is suspected, or no longer. */
  | { readonly kind: 'change' }

export type Schedule = (at: number, event: Event) => void
