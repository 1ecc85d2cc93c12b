import test from 'ava'
import { LiveLoads } from '../../../actors/supervisor/live-loads.js'
import { type Plan } from '../../../core/control/index.js'
import { planOf } from '../../support/dispatching.js'

const SECOND = 1_000
const QUOTA = 0.15
/** Two stages, on a and b. */
const PLAN = planWith(['a', 'b'])

function planWith(workers: readonly string[]): Plan {
  const plan = planOf(1)
  const [first] = plan.stages
  const stages = workers.flatMap((worker, stage) =>
    first === undefined ? [] : [{ ...first, worker, stage }],
  )
  return { ...plan, stages }
}

interface Work {
  /** Of a frame. */
  readonly cpuMs: number
  readonly runMs?: number
  readonly fps: number
  /** Of other stages than the worker's own; left out: they have no frames. */
  readonly others?: number
  readonly quota?: number | undefined
}

/** A cluster whose workers beat once a second. */
function setting() {
  let now = 0
  const loads = new LiveLoads(() => now)
  const totals = new Map<string, { frames: number; cpuMs: number; runMs: number; others: number }>()
  const counts = { failures: 0, waiting: 0, running: 0, bytesIn: 0, bytesOut: 0, link: 'peer' as const }
  const beat = (worker: string, { cpuMs, runMs = 0, fps, others = 0, ...more }: Work) => {
    const quota = 'quota' in more ? more.quota : QUOTA
    const total = totals.get(worker) ?? { frames: 0, cpuMs: 0, runMs: 0, others: 0 }
    totals.set(worker, total)
    total.frames += fps
    total.cpuMs += fps * cpuMs
    total.runMs += fps * runMs
    total.others += others
    const own = { pipeline: 'p', epoch: 1, stage: worker === 'a' ? 0 : 1, replica: 0, ...counts }
    const actors = [
      { ...own, frames: total.frames, runMs: total.runMs },
      { ...own, pipeline: 'q', frames: total.others, runMs: 0 },
    ]
    loads.beaten({ worker, incarnation: 1, at: now, rssBytes: 1, cpuMs: total.cpuMs, actors }, quota)
  }
  const work = (seconds: number, each: Readonly<Record<string, Work>>) => {
    for (const end = now + seconds * SECOND; now < end;) {
      now += SECOND
      for (const [worker, one] of Object.entries(each)) beat(worker, one)
    }
  }
  const shown = () => {
    const all = loads.of(PLAN)
    return all && Object.fromEntries([...all].map(([worker, { ms, of }]) => [worker, [Math.round(ms), of]]))
  }
  const restart = (worker: string) => totals.delete(worker)
  const pass = (ms: number) => (now += ms)
  return { loads, work, shown, restart, pass }
}

/** 140 of the 150 ms that it has in a second; and the half of that. */
const FULL = { cpuMs: 14, fps: 10 }
const HALF = { cpuMs: 7, fps: 10 }

test('live loads - are what the processor does under a quota, when frames have come for long enough', t => {
  const { work, shown } = setting()
  work(25, { a: FULL, b: HALF })
  t.is(shown(), undefined)
  work(10, { a: FULL, b: HALF })
  t.deepEqual(shown(), { a: [93, 'all'], b: [47, 'all'] })
})

test('live loads - are what runs take where there is no quota', t => {
  const { work, shown } = setting()
  const free = { cpuMs: 300, fps: 10, quota: undefined }
  work(35, { a: { ...free, runMs: 90 }, b: { ...free, runMs: 20 } })
  t.deepEqual(shown(), { a: [90, 'runs'], b: [20, 'runs'] })
})

test('live loads - are not shown by a pipeline that waits for frames, or where work is too short to tell', t => {
  const idle = setting()
  idle.work(35, { a: { ...FULL, fps: 8 }, b: HALF })
  t.is(idle.shown(), undefined)
  const few = setting()
  few.work(35, { a: { cpuMs: 140, fps: 1 }, b: { cpuMs: 70, fps: 1 } })
  t.is(few.shown(), undefined)
  const short = setting()
  short.work(35, { a: FULL, b: { cpuMs: 0.2, fps: 10 } })
  t.is(short.shown(), undefined)
})

test('live loads - are not shown before they stay the same, nor long after', t => {
  const { work, shown, pass } = setting()
  work(20, { a: { cpuMs: 18, fps: 8 }, b: HALF })
  work(10, { a: FULL, b: HALF })
  t.is(shown(), undefined, 'code was being compiled')
  work(15, { a: FULL, b: HALF })
  t.deepEqual(shown(), { a: [93, 'all'], b: [47, 'all'] })
  pass(20 * SECOND)
  t.is(shown(), undefined)
})

test('live loads - begin anew where a worker has frames of another pipeline too, was started again, or is another', t => {
  const { loads, work, shown, restart } = setting()
  work(35, { a: FULL, b: HALF })
  work(1, { a: { ...FULL, others: 1 }, b: HALF })
  t.is(shown(), undefined)
  work(35, { a: FULL, b: HALF })
  t.not(shown(), undefined)
  restart('b')
  work(2, { a: FULL, b: HALF })
  t.is(shown(), undefined)
  work(35, { a: FULL, b: HALF })
  t.not(shown(), undefined)
  loads.forget('a')
  t.is(shown(), undefined)
})
