import { setTimeout } from 'node:timers/promises'
import { NEVER, type Observable } from 'rxjs'
import { Checker, type Verdict } from '../../../actors/bin/chaos/checker.js'
import { PacedFrames } from '../../../actors/bin/chaos/paced-frames.js'
import { Recovery } from '../../../actors/bin/chaos/recovery.js'
import { type LedgerEntry, type Pipeline, type Plan } from '../../../config/index.js'
import { type FrameIdentity } from '../../../core/frame.js'
import { type Tensors } from '../../../core/tensor.js'

const WARM_UP_FRAMES = 100
const BEFORE_FRAMES = 60
export const LEAST_FRAMES = 350
export const AFTER_MS = 2_000
export const PACE = 0.7
/** Longer than a frame's deadline: a fault that holds the stream for so long has lost frames. */
const LIMIT_MS = 45_000

/** What `CellStream` sends, and what should come of it. */
export interface CellFrames {
  frame(sequence: number): Tensors
  /** What the uncut model of this version makes of that. */
  answer(sequence: number, version: string): Tensors
  /** How far from that a right prediction may be; left out: what is allowed of a pipeline that loses nothing. */
  readonly tolerance?: number
}

/** A fault that is about to happen. */
export interface Happening {
  /** Lets it happen: at once, or just before this resolves. */
  readonly now: () => undefined | Promise<unknown>
  /** The frame with which it happens, where it is a frame's doing; the window is filled up to it. */
  readonly at?: number
}

/** How it shows. */
export interface Effects {
  /** Signs that it was noticed, beside what the supervisor says of the pipeline. */
  readonly signs?: Observable<unknown>
  /** Frames that it is meant to make fail. */
  readonly mayFail?: (frame: FrameIdentity) => boolean
}

export interface CellPipeline {
  readonly pipeline: Pipeline
  readonly plan: Plan
  /** The name of its stream. */
  readonly stream: string
  readonly frames: CellFrames
}

/** The frames of one cell. */
export class CellStream {
  readonly recovery: Recovery
  private readonly checker: Checker
  private readonly frames: PacedFrames<Tensors>
  private readonly done: Promise<void>
  /** How the first frame ended that should have been predicted and was not. */
  readonly losses: string[] = []
  private delivered = 0

  private readonly pipeline: Pipeline
  private readonly plan: Plan

  constructor({ pipeline, plan, frames, stream }: CellPipeline, { signs, mayFail }: Effects = {}) {
    this.pipeline = pipeline
    this.plan = plan
    const answer = (sequence: number, version: string) => frames.answer(sequence, version)
    this.checker = new Checker(pipeline, answer, mayFail, frames.tolerance)
    this.recovery = new Recovery(pipeline, plan.epoch, signs ?? NEVER)
    pipeline.predictions$.subscribe(() => this.delivered++)
    pipeline.ledger$.subscribe(entry => {
      const asWished = entry.end === 'predicted' || mayFail?.(entry) === true
      if (!asWished && this.losses.length === 0) this.losses.push(lossText(entry))
    })
    this.frames = new PacedFrames(sequence => frames.frame(sequence))
    this.done = new Promise((resolve, reject) => {
      const flow = pipeline.pull(this.frames.source()).pipe(pipeline.infer({ stream }))
      flow.subscribe({ error: reject, complete: resolve })
    })
    this.done.catch(() => undefined)
  }

  /** @returns capacity: predictions per second of frames that are pulled as fast as that goes */
  async warmUp(): Promise<number> {
    await this.untilDelivered(WARM_UP_FRAMES / 2)
    const [from, startedAt] = [this.delivered, performance.now()]
    await this.untilDelivered(WARM_UP_FRAMES)
    const fps = (1_000 * (this.delivered - from)) / (performance.now() - startedAt)
    this.frames.pace(PACE * fps)
    await this.untilDelivered(this.delivered + BEFORE_FRAMES)
    return fps
  }

  /** @returns the frames that were under way */
  async strikeWhenFull({ now, at = 0 }: Happening): Promise<string[]> {
    const { recovery } = this
    const pace = this.frames.hurry()
    const first = await this.whenFull(at, () => {
      const ordered = now()
      if (ordered === undefined) recovery.strike()
      return ordered
    })
    if (first.result === undefined) {
      pace()
      return first.underWay
    }
    // One that is ordered happens when that is confirmed; by then these frames are through, and others have come.
    await first.result
    recovery.strike()
    const { underWay } = await this.whenFull(0, () => undefined)
    pace()
    return underWay
  }

  /**
   * Acts as soon as the window is full, and in that very turn: later ones have results of some frames.
   * @param least  a frame that must have been admitted by then
   */
  private whenFull<T>(least: number, act: () => T): Promise<{ result: T; underWay: string[] }> {
    const { open } = this.checker
    return new Promise(resolve => {
      const watch = this.pipeline.frames$.subscribe(({ sequence }) => {
        if (open.size < this.plan.window || sequence < least) return
        watch.unsubscribe()
        const underWay = [...open.keys()]
        resolve({ result: act(), underWay })
      })
    })
  }

  /** Until the stream has resumed and gone on for a while. */
  async goOn(): Promise<void> {
    const late = setTimeout(LIMIT_MS, undefined, { ref: false })
    await Promise.race([this.recovery.resumed, late])
    await setTimeout(AFTER_MS)
    await Promise.race([this.untilDelivered(LEAST_FRAMES), late])
  }

  /** Lets all frames end. */
  async end(): Promise<Verdict> {
    this.frames.stop()
    await Promise.race([this.done, setTimeout(LIMIT_MS, undefined, { ref: false })])
    this.checker.close()
    this.recovery.close()
    return this.checker.verdict()
  }

  private async untilDelivered(count: number): Promise<void> {
    if (this.delivered >= count) return
    await new Promise<void>(resolve => {
      const watch = this.pipeline.predictions$.subscribe(() => {
        if (this.delivered < count) return
        watch.unsubscribe()
        resolve()
      })
    })
  }
}

function lossText(entry: LedgerEntry): string {
  const how = entry.end === 'failed' ? `${entry.error.code}: ${entry.error.message}` : entry.end
  return `first loss: frame ${entry.sequence}, after ${entry.endedAt - entry.admittedAt} ms, ${how}`
}
