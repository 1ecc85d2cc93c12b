import { type ErrorInfo } from '../../core/errors.js'
import { type FrameHeader } from '../../core/frame.js'
import { type Packing } from '../../core/lz4-choice.js'
import { type Tensors, type TensorSpec } from '../../core/tensor.js'
import { type Wiring } from '../../core/wire.js'

/** How a session thread handles envelopes: which tensors it hands on beside the model's outputs, and what is converted. */
export interface Handover extends Wiring {
  readonly carries: readonly string[]
  readonly sends: readonly string[]
}

export interface SessionSetup {
  /** Path of the ONNX file. */
  readonly model: string
  readonly threads?: number
  /** Given for a stage; a thread without it takes tensors only. */
  readonly handover?: Handover
}

/** To a session thread. One `envelope` or `tensors` job is under way at a time; more wait in the thread's port. */
export type SessionRequest =
  | { readonly type: 'tensors'; readonly id: number; readonly feeds: Tensors }
  | {
      readonly type: 'envelope'
      readonly id: number
      readonly message: Uint8Array
      readonly header: FrameHeader
      /** ms since the Unix epoch, with a fraction. */
      readonly arrivedAt: number
      /** Whether to compress the tensors that leave. */
      readonly lz4: boolean
    }
  /** To be run on made-up tensors of these types and sizes. */
  | { readonly type: 'rehearse'; readonly id: number; readonly inputs: readonly TensorSpec[] }
  | { readonly type: 'close' }

export interface ProcessedEnvelope {
  /** The envelope that goes on; its ArrayBuffer is the caller's. */
  readonly message: Uint8Array
  /** True when it carries an error instead of tensors. */
  readonly failed: boolean
  readonly runMs: number
  /** Where its tensors were compressed. */
  readonly packing?: Packing | undefined
}

/** From a session thread. */
export type SessionReply =
  | {
      readonly type: 'loaded'
      readonly inputs: readonly TensorSpec[]
      readonly outputs: readonly TensorSpec[]
    }
  | { readonly type: 'load-failed'; readonly error: ErrorInfo }
  | { readonly type: 'tensors'; readonly id: number; readonly outputs: Tensors }
  | ({ readonly type: 'envelope'; readonly id: number } & ProcessedEnvelope)
  | { readonly type: 'rehearsed'; readonly id: number; readonly runMs: number }
  | { readonly type: 'failed'; readonly id: number; readonly error: ErrorInfo }

/** The wall clock with the resolution of `performance.now()`, equal in all threads of a machine. Milliseconds. */
export function wallClock(): number {
  return performance.timeOrigin + performance.now()
}
