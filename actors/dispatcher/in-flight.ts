import { type FrameIdentity, identityKey } from '../../core/frame.js'
import { type AdmittedFrame } from './prediction.js'
import { type StreamFlow } from './stream-flow.js'

export interface SentFrame {
  readonly key: string
  readonly identity: FrameIdentity
  readonly frame: AdmittedFrame
  readonly flow: StreamFlow
  /** ms since the Unix epoch. */
  readonly deadlineAt: number
}

/** The frames that were sent and have not ended, in the order in which they were sent first. */
export class InFlight {
  private readonly frames = new Map<string, SentFrame>()

  get size(): number {
    return this.frames.size
  }

  begin(frame: AdmittedFrame, flow: StreamFlow): SentFrame {
    const { dispatcher, stream, sequence } = frame
    const identity = { dispatcher, stream, sequence }
    const sent = {
      key: identityKey(identity),
      identity,
      frame,
      flow,
      deadlineAt: frame.admittedAt + flow.options.deadlineMs,
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
    return [...this.frames.values()]
  }

  ofStream(stream: string): SentFrame[] {
    return this.all().filter(({ identity }) => identity.stream === stream)
  }

  expired(now: number): SentFrame[] {
    return this.all().filter(({ deadlineAt }) => deadlineAt <= now)
  }
}
