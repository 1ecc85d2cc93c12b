import { type MillraceError } from '../../core/errors.js'
import { type DeferredFrame, type PushStream } from '../dispatcher/index.js'
import { type Arrival } from './arrival.js'
import { type FrameIds } from './frame-ids.js'

/** What is remembered of a frame until it has ended. */
export interface OpenFrame {
  readonly frameId: string | undefined
  readonly arrivedAt: number
  /** Gives back the room that its message takes; idempotent. */
  readonly release: () => void
}

/** What becomes of a frame that arrives. */
export type Verdict =
  | { readonly take: DeferredFrame; readonly release: () => void }
  | { readonly reject: MillraceError }
  | { readonly discard: string }

/** One stream of sensors: its frames that have not ended, and the ids of its latest ones. */
export class SensorStream {
  private readonly open = new Map<number, OpenFrame>()

  /** @param settings  what it was opened with, as a text */
  constructor(
    readonly settings: string,
    private readonly push: PushStream,
    readonly ids: FrameIds,
  ) {}

  get idle(): boolean {
    return this.open.size === 0
  }

  /** @returns false for a frame whose id is known, which is not taken again */
  isNew({ frameId }: Arrival): boolean {
    return frameId === undefined || this.ids.add(frameId)
  }

  /** Each call takes one sequence number. The frame is known before it may end. */
  admit({ frameId, arrivedAt }: Arrival, verdict: Verdict): void {
    const release = 'take' in verdict ? verdict.release : () => {}
    this.open.set(this.push.nextSequence, { frameId, arrivedAt, release })
    if ('take' in verdict) this.push.offer(verdict.take)
    else if ('reject' in verdict) this.push.reject(verdict.reject)
    else this.push.discard(verdict.discard)
  }

  /** @param predicted  false: it may come again under its id */
  end(sequence: number, predicted: boolean): OpenFrame | undefined {
    const frame = this.open.get(sequence)
    this.open.delete(sequence)
    frame?.release()
    if (!predicted && frame?.frameId !== undefined) this.ids.remove(frame.frameId)
    return frame
  }

  close(): void {
    this.push.close()
  }
}
