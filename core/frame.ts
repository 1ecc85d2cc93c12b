import { type ErrorInfo } from './errors.js'
import { type Tensors } from './tensor.js'

/** Who a frame is, wherever it is and however often it was replayed (promise 4). */
export interface FrameIdentity {
  /** Id of the dispatcher that admitted it. */
  readonly dispatcher: string
  /** Name of the source whose frames are ordered among themselves. */
  readonly stream: string
  /** Position in that stream, from 0, in admission order. */
  readonly sequence: number
}

/** One stage's share of a frame's time and traffic. */
export interface StageTiming {
  readonly stage: number
  /** From arrival of the whole message to the start of decoding. */
  readonly queueMs: number
  /** Checking and decoding the inputs, and encoding the outputs of the frame before: this one's are not yet there. */
  readonly codecMs: number
  readonly runMs: number
  /** Size of the message as it arrived. */
  readonly bytesIn: number
}

/** What travels between dispatcher and stages about a frame, beside its tensors. */
export interface FrameHeader extends FrameIdentity {
  /** Epoch of the plan under which it travels; another epoch's actors ignore it (promise 7). */
  readonly epoch: number
  /** The stage that is to take it; one past the last stage: the dispatcher. */
  readonly stage: number
  /** How many frames its dispatcher had sent before it, the same when it is sent again; replicas take turns by it. */
  readonly turn: number
  /** When the dispatcher admitted it, in its own clock: ms since the Unix epoch. */
  readonly admittedAt: number
  readonly timings: readonly StageTiming[]
  /** Set when a stage could not process the frame; then there are no tensors (promise 6). */
  readonly error?: ErrorInfo
}

export interface Envelope {
  readonly header: FrameHeader
  readonly tensors: Tensors
}

/** A text that is equal for equal identities and only for these. */
export function identityKey({ dispatcher, stream, sequence }: FrameIdentity): string {
  return `${dispatcher}/${stream}/${sequence}`
}
