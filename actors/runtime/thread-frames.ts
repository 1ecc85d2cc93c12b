import { Subject } from 'rxjs'
import { type FrameIdentity } from '../../core/frame.js'

/** A frame in a session's thread, and under what. */
export interface ThreadFrame extends FrameIdentity {
  readonly pipeline: string
  readonly epoch: number
}

/** One that enters, and those that have left since the last change, by the numbers under which they entered. */
export interface ThreadChange {
  readonly entered?: { readonly number: number; readonly frame: ThreadFrame }
  readonly left: readonly number[]
}

/** The frames in the threads of the sessions of one process: should that crash, one of them may have done it (promise 6). */
export class ThreadFrames {
  /** Told before a frame is handed to its thread; of those that leave soon after, several at a time. */
  readonly changes$ = new Subject<ThreadChange>()
  private readonly frames = new Map<number, ThreadFrame>()
  private left: number[] = []
  private nextNumber = 0

  all(): readonly ThreadFrame[] {
    return [...this.frames.values()]
  }

  /** @returns to be called when the frame has left */
  enter(frame: ThreadFrame): () => void {
    const number = this.nextNumber++
    this.frames.set(number, frame)
    this.tell({ number, frame })
    return () => this.leave(number)
  }

  private leave(number: number): void {
    this.frames.delete(number)
    this.left.push(number)
    // As a rule the next one enters at once, and says it too.
    if (this.left.length === 1) setImmediate(() => this.left.length > 0 && this.tell())
  }

  private tell(entered?: ThreadChange['entered']): void {
    const { left } = this
    this.left = []
    this.changes$.next({ ...(entered === undefined ? {} : { entered }), left })
  }
}
