import { setTimeout } from 'node:timers/promises'
import { firstValueFrom, NEVER, type Observable } from 'rxjs'
import { Checker, isClean, type Verdict } from '../../../actors/bin/chaos/checker.js'
import { PacedFrames } from '../../../actors/bin/chaos/paced-frames.js'
import { type Recovered, Recovery } from '../../../actors/bin/chaos/recovery.js'
import { type Pipeline, type Plan } from '../../../config/index.js'
import { type FrameIdentity } from '../../../core/frame.js'
import { type Tensors } from '../../../core/tensor.js'
import { type Stand } from './stand.js'

/** Where in the pipeline a fault strikes. */
export type Place = 'first' | 'middle' | 'last'

export interface Scene {
  readonly stand: Stand
  readonly pipeline: Pipeline
  readonly plan: Plan
  readonly place: Place
  readonly stage: number
  /** That runs the stage. */
  readonly worker: string
  /** The name of its only stream, which no other cell has: a frame that was poisonous in one is not in the next. */
  readonly stream: string
}

/** A fault that is about to happen. */
export interface Strike {
  /** Lets it happen: at once, or just before this resolves. */
  readonly now: () => undefined | Promise<unknown>
  /** The frame with which it happens, where it is a frame's doing; the window is filled up to it. */
  readonly at?: number
  /** Signs that it was noticed, beside what the supervisor says of the pipeline. */
  readonly signs?: Observable<unknown>
  /** What belongs to the fault and comes later, such as the return of what was killed. */
  readonly later?: (recovery: Recovery) => Promise<void>
  /** When all frames have ended. */
  readonly undo?: () => Promise<unknown>
  /** Frames that it is meant to make fail. */
  readonly mayFail?: (frame: FrameIdentity) => boolean
}

export interface Cell {
  /** Such as `kill-worker@first`. */
  readonly name: string
  readonly place: Place
  readonly bed: Bed
  /** Whether frames under way must be lost on the way, so that one of them must have been sent again. */
  readonly destroys: boolean
  /** What it should take at most, in ms. */
  readonly targets?: { readonly detectMs: number; readonly resumeMs: number }
  readonly prepare: (scene: Scene) => Promise<Strike>
}

/** What a cell needs around it. */
export type Bed = 'digits' | 'mosquitto' | 'resnet50'

export interface CellResult extends Recovered, Verdict {
  readonly cell: string
  readonly stage: number
  readonly fps: number
  /** Under way when it struck, of how many there may be. */
  readonly underWay: number
  readonly window: number
  /** Of these, sent more than once. */
  readonly replayed: number
  /** What the suite asks for and did not find. */
  readonly problems: readonly string[]
  /** Which of its targets it missed. */
  readonly late: readonly string[]
}

const WARM_UP_FRAMES = 100
const BEFORE_FRAMES = 60
const LEAST_FRAMES = 350
/** A slow model has no time for more. */
const ENOUGH_FRAMES = 250
const AFTER_MS = 2_000
const PACE = 0.7
/** Longer than a frame's deadline: a fault that holds the stream for so long has lost frames. */
const LIMIT_MS = 45_000

/** Streams frames, lets the fault strike, goes on after it, and counts what became of every frame. */
export async function runCell(cell: Cell, stand: Stand): Promise<CellResult> {
  await stand.ready()
  const pipeline = await stand.deploy()
  const plan = await firstValueFrom(pipeline.plan$)
  const stages = Math.max(...plan.stages.map(({ stage }) => stage)) + 1
  const stage = { first: 0, middle: Math.floor(stages / 2), last: stages - 1 }[cell.place]
  const worker = plan.stages.find(one => one.stage === stage)?.worker ?? ''
  const name = cell.name.replace('@', '-')
  const strike = await cell.prepare({ stand, pipeline, plan, place: cell.place, stage, worker, stream: name })
  const stream = new CellStream({ pipeline, plan, stand, stream: name }, strike)
  const fps = await stream.warmUp()
  const underWay = await stream.strikeWhenFull(strike)
  await strike.later?.(stream.recovery)
  await stream.goOn()
  const verdict = await stream.end()
  await strike.undo?.()
  const { recovery } = stream
  const replayed = stand.sends.replayed(underWay)
  const found = { ...verdict, ...recovery.times(), underWay: underWay.length, window: plan.window, replayed }
  return {
    cell: cell.name,
    stage,
    fps,
    ...found,
    problems: problemsOf(cell, found),
    late: lateOf(cell, found),
  }
}

type Found = Omit<CellResult, 'cell' | 'stage' | 'fps' | 'problems' | 'late'>

function problemsOf({ destroys }: Cell, found: Found): string[] {
  const said: [boolean, string][] = [
    [!isClean(found), 'frames were lost, duplicated, misordered or wrong'],
    [found.admitted < ENOUGH_FRAMES, `only ${found.admitted} frames`],
    [found.underWay < found.window, 'the window was not full'],
    [destroys && found.replayed === 0, 'no frame was sent again'],
    [found.resumeMs === undefined, 'the stream did not resume'],
  ]
  return said.flatMap(([is, problem]) => (is ? [problem] : []))
}

/** What took longer than it should: on a machine that is busy with other things, that is no fault. */
function lateOf({ targets }: Cell, { resumeMs = Infinity, detectMs = Infinity }: Found): string[] {
  const said: [boolean, string][] = [
    [detectMs > (targets?.detectMs ?? Infinity), `detected after more than ${targets?.detectMs} ms`],
    [resumeMs > (targets?.resumeMs ?? Infinity), `resumed after more than ${targets?.resumeMs} ms`],
  ]
  return said.flatMap(([is, what]) => (is ? [what] : []))
}

/** The frames of one cell. */
class CellStream {
  readonly recovery: Recovery
  private readonly checker: Checker
  private readonly frames: PacedFrames<Tensors>
  private readonly done: Promise<void>
  private delivered = 0

  private readonly pipeline: Pipeline
  private readonly plan: Plan

  constructor(
    { pipeline, plan, stand, stream }: Pick<Scene, 'pipeline' | 'plan' | 'stand' | 'stream'>,
    { signs, mayFail }: Strike,
  ) {
    this.pipeline = pipeline
    this.plan = plan
    this.checker = new Checker(pipeline, sequence => stand.answer(sequence), mayFail)
    this.recovery = new Recovery(pipeline, plan.epoch, signs ?? NEVER)
    pipeline.predictions$.subscribe(() => this.delivered++)
    this.frames = new PacedFrames(sequence => stand.frame(sequence))
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
  async strikeWhenFull({ now, at = 0 }: Strike): Promise<string[]> {
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
