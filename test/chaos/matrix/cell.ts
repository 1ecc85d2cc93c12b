import { firstValueFrom } from 'rxjs'
import { isClean, type Verdict } from '../../../actors/bin/chaos/checker.js'
import { type Recovered, type Recovery } from '../../../actors/bin/chaos/recovery.js'
import { type Pipeline, type Plan } from '../../../config/index.js'
import { CellStream, type Effects, type Happening } from './cell-stream.js'
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

/** A fault, and what belongs to it. */
export interface Strike extends Happening, Effects {
  /** What belongs to the fault and comes later, such as the return of what was killed. */
  readonly later?: (recovery: Recovery) => Promise<void>
  /** When all frames have ended. */
  readonly undo?: () => Promise<unknown>
  /** What it should have come to and did not, as seen when all frames have ended. */
  readonly problems?: () => readonly string[]
}

interface CellParts {
  /** Such as `kill-worker@first`. */
  readonly name: string
  readonly place: Place
  readonly bed: Bed
  /** Whether frames under way must be lost on the way, so that one of them must have been sent again. */
  readonly destroys: boolean
  /** What it should take at most, in ms. */
  readonly targets?: { readonly detectMs: number; readonly resumeMs: number }
}

/** A fault that strikes others than the dispatcher of the frames, which is in this process. */
export interface StruckCell extends CellParts {
  /** Which processes run, and the pipeline on them; left out: all, and that of the stand. */
  readonly arrange?: (stand: Stand) => Promise<Pipeline>
  readonly prepare: (scene: Scene) => Promise<Strike>
}

/** One that sees for itself what becomes of the frames. */
export interface ObservedCell extends CellParts {
  readonly observe: (stand: Stand, stream: string) => Promise<Observed>
}

export type Cell = StruckCell | ObservedCell

/** What a cell needs around it. */
export type Bed = 'digits' | 'mosquitto' | 'resnet50'

/** What was seen in a cell. */
export interface Observed extends Recovered, Verdict {
  readonly stage: number
  readonly fps: number
  /** Under way when it struck, of how many there may be. */
  readonly underWay: number
  readonly window: number
  /** Of these, sent more than once. */
  readonly replayed: number
  /** What the suite asks for and did not find. */
  readonly problems: readonly string[]
}

export interface CellResult extends Observed {
  readonly cell: string
  /** Which of its targets it missed. */
  readonly late: readonly string[]
}

/** A slow model has no time for more. */
const ENOUGH_FRAMES = 250

/** Streams frames, lets the fault strike, goes on after it, and counts what became of every frame. */
export async function runCell(cell: Cell, stand: Stand): Promise<CellResult> {
  const stream = cell.name.replace('@', '-')
  const observed = await ('observe' in cell ? cell.observe(stand, stream) : strike(cell, stand, stream))
  return {
    cell: cell.name,
    ...observed,
    problems: [...problemsOf(cell, observed), ...observed.problems],
    late: lateOf(cell, observed),
  }
}

async function strike(cell: StruckCell, stand: Stand, stream: string): Promise<Observed> {
  const pipeline = await (cell.arrange ?? usual)(stand)
  const plan = await firstValueFrom(pipeline.plan$)
  const stages = Math.max(...plan.stages.map(({ stage }) => stage)) + 1
  const stage = { first: 0, middle: Math.floor(stages / 2), last: stages - 1 }[cell.place]
  const worker = plan.stages.find(one => one.stage === stage)?.worker ?? ''
  const strike = await cell.prepare({ stand, pipeline, plan, place: cell.place, stage, worker, stream })
  const frames = new CellStream({ pipeline, plan, frames: stand, stream }, strike)
  const fps = await frames.warmUp()
  const underWay = await frames.strikeWhenFull(strike)
  await strike.later?.(frames.recovery)
  await frames.goOn()
  const verdict = await frames.end()
  await strike.undo?.()
  const [times, replayed] = [frames.recovery.times(), stand.sends.replayed(underWay)]
  const problems = [...frames.losses, ...(strike.problems?.() ?? [])]
  const { window } = plan
  return { stage, fps, ...verdict, ...times, underWay: underWay.length, window, replayed, problems }
}

async function usual(stand: Stand): Promise<Pipeline> {
  await stand.ready()
  return stand.deploy()
}

function problemsOf({ destroys }: CellParts, found: Observed): string[] {
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
function lateOf({ targets }: CellParts, { resumeMs = Infinity, detectMs = Infinity }: Observed): string[] {
  const said: [boolean, string][] = [
    [detectMs > (targets?.detectMs ?? Infinity), `detected after more than ${targets?.detectMs} ms`],
    [resumeMs > (targets?.resumeMs ?? Infinity), `resumed after more than ${targets?.resumeMs} ms`],
  ]
  return said.flatMap(([is, what]) => (is ? [what] : []))
}
