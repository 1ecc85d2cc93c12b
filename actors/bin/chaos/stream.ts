import { setTimeout } from 'node:timers/promises'
import { filter, firstValueFrom, take } from 'rxjs'
import { type Pipeline } from '../../../config/pipeline.js'
import { type FrameIdentity } from '../../../core/frame.js'
import { type Tensors } from '../../../core/tensor.js'
import { type Known } from './answers.js'
import { Checker, type Verdict } from './checker.js'
import { STREAM } from './fault-kinds.js'
import { PacedFrames } from './paced-frames.js'

const PACE = 0.7

/** Frames that go through a pipeline at a share of what it can do, and a checker of what becomes of them. */
export class ChaosStream {
  private readonly checker: Checker
  private readonly frames: PacedFrames<Tensors>
  private readonly done: Promise<void>
  private readonly poisoned = new Set<number>()
  private admitted = 0
  private delivered = 0

  constructor(
    private readonly pipeline: Pipeline,
    { frame, answer }: Known,
  ) {
    const mayFail = ({ sequence }: FrameIdentity) => this.poisoned.has(sequence)
    this.checker = new Checker(pipeline, answer, mayFail)
    this.frames = new PacedFrames(frame)
    pipeline.frames$.subscribe(() => this.admitted++)
    pipeline.predictions$.subscribe(() => this.delivered++)
    this.done = new Promise((resolve, reject) => {
      const flow = pipeline.pull(this.frames.source()).pipe(pipeline.infer({ stream: STREAM }))
      flow.subscribe({ error: reject, complete: resolve })
    })
    // Awaited at the end; until then what is lost shows in the ledger.
    this.done.catch(() => undefined)
  }

  /** A frame of this number that is still to come is meant to fail. */
  poison(): number {
    const soon = this.frames.made + 20
    this.poisoned.add(soon)
    return soon
  }

  /** Resolves when the frame of this number has been admitted. */
  async reaches(sequence: number): Promise<void> {
    if (this.admitted > sequence) return
    await firstValueFrom(this.pipeline.frames$.pipe(filter(frame => frame.sequence >= sequence)))
  }

  /** Streams as fast as that goes, and from then on at a share of it. @returns predictions per second, at most */
  async measure(frames: number, share = PACE): Promise<number> {
    await this.more(frames)
    const startedAt = performance.now()
    await this.more(frames)
    const fps = (1_000 * frames) / (performance.now() - startedAt)
    this.frames.pace(share * fps)
    return fps
  }

  /** Lets all frames end. */
  async end(limitMs: number): Promise<Verdict> {
    this.frames.stop()
    await Promise.race([this.done, setTimeout(limitMs, undefined, { ref: false })])
    this.checker.close()
    return this.checker.verdict()
  }

  private async more(count: number): Promise<void> {
    const wanted = this.delivered + count
    const there = this.pipeline.predictions$.pipe(
      filter(() => this.delivered >= wanted),
      take(1),
    )
    await firstValueFrom(there)
  }
}
