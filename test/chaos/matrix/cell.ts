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

export interface Cell {
  /** Such as `kill-worker@first`. */
  readonly name: string
  readonly place: Place
  readonly bed: Bed
  /** Whether frames under way must be lost on the way, so that one of them must have been sent again. */
  readonly destroys: boolean
  /** What it should take at most, in ms. */
  readonly targets?: { readonly detectMs: number; readonly resumeMs: number }
  /** Which processes run, and the pipeline on them; left out: all, and that of the stand. */
  readonly arrange?: (stand: Stand) => Promise<Pipeline>
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

/** A slow model has no time for more. */
const ENOUGH_FRAMES = 250

/** Streams frames, lets the fault strike, goes on after it, and counts what became of every frame. */
export async function runCell(cell: Cell, stand: Stand): Promise<CellResult> {
  const pipeline = await (cell.arrange ?? usual)(stand)
  const plan = await firstValueFrom(pipeline.plan$)
  const stages = Math.max(...plan.stages.map(({ stage }) => stage)) + 1
  const stage = { first: 0, middle: Math.floor(stages / 2), last: stages - 1 }[cell.place]
  const worker = plan.stages.find(one => one.stage === stage)?.worker ?? ''
  const name = cell.name.replace('@', '-')
  const strike = await cell.prepare({ stand, pipeline, plan, place: cell.place, stage, worker, stream: name })
  const stream = new CellStream({ pipeline, plan, frames: stand, stream: name }, strike)
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
    problems: [...problemsOf(cell, found), ...stream.losses, ...(strike.problems?.() ?? [])],
    late: lateOf(cell, found),
  }
}

async function usual(stand: Stand): Promise<Pipeline> {
  await stand.ready()
  return stand.deploy()
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
