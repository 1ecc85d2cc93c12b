import { type MillraceError } from '../../core/errors.js'
import { type DeferredFrame, type PushStream } from '../dispatcher/index.js'
import { type Arrival } from './arrival.js'
import { type FrameIds } from './frame-ids.js'
import { noteOf } from './frame-note.js'

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

/** A frame that waits for room in its stream. */
export interface Backed {
  readonly arrival: Arrival
  readonly release: () => void
}

/** One stream of sensors: its frames that have not ended, and the ids of its latest ones. */
export class SensorStream {
  /** With a journal: what came while the stream was full, unconfirmed. */
  readonly backlog: Backed[] = []
  private readonly open = new Map<number, OpenFrame>()
  private answering = 0

  /** @param settings  what it was opened with, as a text */
  constructor(
    readonly settings: string,
    private readonly push: PushStream,
    readonly ids: FrameIds,
  ) {
    for (const { sequence, note } of push.journal?.kept ?? []) {
      const { frameId, arrivedAt } = noteOf(note)
      this.open.set(sequence, { frameId, arrivedAt, release: () => {} })
    }
  }

  get idle(): boolean {
    return this.size === 0 && this.answering === 0 && this.backlog.length === 0
  }

  /** Frames that have not ended. */
  get size(): number {
    return this.open.size
  }

  get journalled(): boolean {
    return this.push.journal !== undefined
  }

  /** @returns false for a frame whose id is known, which is not taken again */
  isNew({ frameId }: Arrival): boolean {
    return frameId === undefined || this.ids.add(frameId)
  }

  /**
   * Each call takes one sequence number. The frame is known before it may end.
   * @returns whether it has not ended yet
   */
  admit({ frameId, arrivedAt }: Arrival, verdict: Verdict): boolean {
    const release = 'take' in verdict ? verdict.release : () => {}
    const sequence = this.push.nextSequence
    this.open.set(sequence, { frameId, arrivedAt, release })
    if ('take' in verdict) this.push.offer(verdict.take)
    else if ('reject' in verdict) this.push.reject(verdict.reject)
    else this.push.discard(verdict.discard)
    return this.open.has(sequence)
  }

  /** @param predicted  false: it may come again under its id */
  end(sequence: number, predicted: boolean): OpenFrame | undefined {
    const frame = this.open.get(sequence)
    this.open.delete(sequence)
    frame?.release()
    if (!predicted && frame?.frameId !== undefined) this.ids.remove(frame.frameId)
    return frame
  }

  /** @param answered  whether the broker has a frame's answer: what is not answered stays in the journal */
  async answer(sequence: number, answered: Promise<boolean>): Promise<void> {
    if (!this.journalled) return
    this.answering++
    const there = await answered
    this.answering--
    if (there) this.push.ended(sequence)
  }

  close(): void {
    for (const { release } of this.backlog.splice(0)) release()
    this.push.close()
  }
}
