import { BriefMap } from '../../core/brief-map.js'
import { type FrameIdentity, identityKey } from '../../core/frame.js'
import { type Tensors } from '../../core/tensor.js'
import { type AdmittedFrame } from './prediction.js'
import { type QueuedFrame, type StreamFlow } from './stream-flow.js'

export interface SentFrame {
  readonly key: string
  readonly identity: FrameIdentity
  readonly frame: AdmittedFrame
  readonly flow: StreamFlow
  /** Undefined while they are being made. */
  tensors: Tensors | undefined
  /** ms since the Unix epoch. */
  readonly deadlineAt: number
  /** Frames that were under way before it. */
  readonly ahead: number
  /** The epoch that it was last sent under: a result of another changes nothing (promise 7). Undefined before. */
  epoch: number | undefined
  /** How many frames were sent under that before it. */
  turn: number
  /** It is not to be tried on another version: there it had no prediction. */
  keepsToMain: boolean
  /** When it was first sent under that, in the dispatcher's time; NaN before. */
  sentAt: number
  /** When its last copy had left; undefined while that is leaving. */
  leftAt: number | undefined
  /** How often it was sent under that epoch. */
  copies: number
  /** How many of these because no result came. */
  retries: number
}

/** The frames that were sent, or are about to be, and have not ended, in the order in which they began. */
export class InFlight {
  private readonly frames = new BriefMap<string, SentFrame>()

  get size(): number {
    return this.frames.size
  }

  /** Those of streams that want their newest frames. */
  get fresh(): number {
    return this.all().filter(({ flow }) => flow.isFreshest).length
  }

  begin({ frame, load, deadlineAt }: QueuedFrame, flow: StreamFlow): SentFrame {
    const { dispatcher, stream, sequence } = frame
    const identity = { dispatcher, stream, sequence }
    // Spreads would make the shape of the object property by property: 16 times as slow, and kilobytes for each frame.
    const sent: SentFrame = {
      key: identityKey(identity),
      identity,
      frame,
      flow,
      tensors: load === undefined ? frame.tensors : undefined,
      deadlineAt,
      ahead: this.frames.size,
      epoch: undefined,
      turn: 0,
      keepsToMain: false,
      sentAt: NaN,
      leftAt: undefined,
      copies: 0,
      retries: 0,
    }
    this.frames.set(sent.key, sent)
    return sent
  }

  get(key: string): SentFrame | undefined {
    return this.frames.get(key)
  }

  /** @returns whether it was under way */
  end(key: string): boolean {
    return this.frames.delete(key)
  }

  clear(): void {
    this.frames.clear()
  }

  all(): SentFrame[] {
    return this.frames.values()
  }

  ofStream(stream: string): SentFrame[] {
    return this.all().filter(({ identity }) => identity.stream === stream)
  }

  expired(now: number): SentFrame[] {
    return this.all().filter(({ deadlineAt }) => deadlineAt <= now)
  }
}
