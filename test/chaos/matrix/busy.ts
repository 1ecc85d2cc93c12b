import { type ChildProcess, fork } from 'node:child_process'
import { cpus } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { firstValueFrom } from 'rxjs'
import { isClean, type Verdict } from '../../../actors/bin/chaos/checker.js'
import { inCheckout } from '../../support/index.js'
import { table } from '../../bench/table.js'
import { Alarms } from './alarms.js'
import { CellStream } from './cell-stream.js'
import { Stand, type StandWish } from './stand.js'

const LOOP = inCheckout('dist/test/support/busy-loop.js')

export interface BusyResult {
  /** Busy loops: one for each core. */
  readonly loops: number
  /** Of the pipeline before they began, in frames a second. */
  readonly capacity: number
  readonly frames: Verdict
  /** Of workers that were only short of the processor: what was found, which died, and which plans were made. */
  readonly findings: readonly string[]
  readonly deaths: readonly string[]
  readonly epochs: readonly string[]
}

/** Streams at 70 % of what the pipeline can do alone, with a busy loop on each core beside it. */
export async function runBusy(wish: StandWish, minutes: number): Promise<BusyResult> {
  const stand = await Stand.open(wish)
  const loops: ChildProcess[] = []
  try {
    const pipeline = await stand.deploy()
    const plan = await firstValueFrom(pipeline.plan$)
    const alarms = await Alarms.listen(stand.cluster, pipeline)
    const stream = new CellStream({ pipeline, plan, stream: 'busy', frames: stand })
    const capacity = await stream.warmUp()
    for (const _core of cpus()) loops.push(fork(LOOP))
    await setTimeout(minutes * 60_000)
    const frames = await stream.end()
    await alarms.close()
    const { findings, deaths, epochs } = alarms
    return { loops: loops.length, capacity: Math.round(capacity), frames, findings, deaths, epochs }
  } finally {
    for (const loop of loops) loop.kill('SIGKILL')
    await stand.close()
  }
}

/** Nothing was wrong, and nothing is to be found. */
export function isCalm({ frames, findings, deaths, epochs }: BusyResult): boolean {
  return isClean(frames) && findings.length + deaths.length + epochs.length === 0
}

export function busyTable({ loops, capacity, frames, findings, deaths, epochs }: BusyResult): string {
  const list = (what: readonly string[]) => [`${what.length}`, what.join(', ')].join(' ').trim()
  return table(
    ['what', 'how many'],
    [
      ['busy loops', `${loops}`],
      ['frames a second before them', `${capacity}`],
      ['frames admitted', `${frames.admitted}`],
      ['lost, twice, disordered, wrong', countsOf(frames)],
      ['false findings', list(findings)],
      ['false deaths', list(deaths)],
      ['changes of epoch', list(epochs)],
    ],
  )
}

function countsOf({ lost, duplicates, misordered, wrong }: Verdict): string {
  return [lost, duplicates, misordered, wrong].join(', ')
}
