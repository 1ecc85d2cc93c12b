import { BriefMap } from '../../core/brief-map.js'
import { type FrameIdentity } from '../../core/frame.js'

/** A frame in a session's thread, and under what. */
export interface ThreadFrame extends FrameIdentity {
  readonly pipeline: string
  readonly epoch: number
}

/** Told of what is in a place from now on; undefined: nothing. */
export type PlaceNote = (place: number, frame: ThreadFrame | undefined) => void

/** The frames in the threads of the sessions of one process: should that crash, one of them may have done it (promise 6). */
export class ThreadFrames {
  private readonly frames = new BriefMap<number, ThreadFrame>()
  /** Places that were left, the last one last. */
  private readonly free: number[] = []
  private places = 0
  private note: PlaceNote = () => undefined

  /** @param note  called before a frame is handed to its thread, and soon after it has left */
  noteTo(note: PlaceNote): void {
    this.note = note
  }

  all(): readonly ThreadFrame[] {
    return this.frames.values()
  }

  /** @returns to be called when the frame has left */
  enter(frame: ThreadFrame): () => void {
    const place = this.free.pop() ?? this.places++
    this.frames.set(place, frame)
    this.note(place, frame)
    return () => this.leave(place)
  }

  private leave(place: number): void {
    this.frames.delete(place)
    this.free.push(place)
    // As a rule the next one enters there at once.
    setImmediate(() => {
      if (!this.frames.has(place)) this.note(place, undefined)
    })
  }
}
