import test from 'ava'
import { type Beat } from '../../../core/control/index.js'
import { Slowness } from '../../../actors/supervisor/slowness.js'
import { Stalls } from '../../../actors/supervisor/stalls.js'

/** Workers with a stage each, for each of which the plan says so many ms; every round is a second of their time. */
class Machines {
  now = 0
  incarnation = 1
  private readonly done = new Map<string, { frames: number; runMs: number }>()
  readonly slowness: Slowness

  constructor(
    private readonly planned: Readonly<Record<string, number>>,
    slowFactor = 2.5,
  ) {
    const stages = Object.keys(planned)
    const expected = (key: string) => {
      const runMs = planned[stages[Number(key.split('/')[2])] ?? '']
      return runMs === undefined ? undefined : { runMs }
    }
    this.slowness = new Slowness({ slowFactor }, expected, () => this.now)
  }

  /** @param times  how long each worker takes for a frame, in ms */
  run(rounds: number, times: Readonly<Record<string, number>>): void {
    for (let i = 0; i < rounds; i++) {
      this.now += 1_000
      for (const [worker, ms] of Object.entries(times)) this.beat(worker, ms)
    }
  }

  of(...workers: string[]): number[] {
    return workers.map(worker => this.slowness.of(worker))
  }

  private beat(worker: string, ms: number): void {
    const { frames, runMs } = this.done.get(worker) ?? { frames: 0, runMs: 0 }
    const now = { frames: frames + 10, runMs: runMs + 10 * ms }
    this.done.set(worker, now)
    const stage = Object.keys(this.planned).indexOf(worker)
    const counts = { ...now, failures: 0, waiting: 0, running: 0, bytesIn: 0, bytesOut: 0 }
    const actor = { pipeline: 'p', epoch: 1, stage, replica: 0, ...counts, link: 'peer' as const }
    const about = { worker, incarnation: this.incarnation, at: this.now, rssBytes: 1 }
    this.slowness.beaten({ ...about, actors: [actor] } satisfies Beat)
  }
}

const USUAL = { a: 10, b: 20, c: 10 }

test('a slow worker - is found when it takes much longer than it did, for some seconds, and not before', t => {
  const machines = new Machines(USUAL)
  machines.run(10, USUAL)
  machines.run(3, { ...USUAL, b: 80 })
  t.deepEqual(machines.of('a', 'b', 'c'), [1, 1, 1])
  machines.run(2, { ...USUAL, b: 80 })
  t.deepEqual(machines.of('a', 'b', 'c'), [1, 4, 1])
})

test('a slow worker - is well again after a while of usual times', t => {
  const machines = new Machines(USUAL)
  machines.run(10, USUAL)
  machines.run(5, { ...USUAL, a: 40 })
  machines.run(5, USUAL)
  t.deepEqual(machines.of('a'), [4])
  machines.run(6, USUAL)
  t.deepEqual(machines.of('a'), [1])
})

test('a slow worker - that has nothing to run is forgiven after a minute, and later the next time', t => {
  const machines = new Machines(USUAL)
  machines.run(10, USUAL)
  machines.run(5, { ...USUAL, a: 40 })
  machines.run(58, { b: 20, c: 10 })
  t.deepEqual(machines.of('a'), [4])
  machines.run(3, { b: 20, c: 10 })
  t.deepEqual(machines.of('a'), [1])
  machines.run(5, { ...USUAL, a: 40 })
  machines.run(100, { b: 20, c: 10 })
  t.deepEqual(machines.of('a'), [4])
})

test('a slow worker - nobody is one where all take longer, or one that says nothing of itself is alone', t => {
  const machines = new Machines(USUAL)
  machines.run(10, USUAL)
  machines.run(30, { a: 60, b: 100, c: 55 })
  t.deepEqual(machines.of('a', 'b', 'c'), [1, 1, 1])
  const alone = new Machines({ a: 10 })
  alone.run(10, { a: 10 })
  alone.run(30, { a: 100 })
  t.deepEqual(alone.of('a'), [1])
})

test('a slow worker - nobody is one for a plan that is off, for a moment, or for frames that take no time', t => {
  const off = new Machines({ a: 10, b: 10, c: 10 })
  off.run(30, { a: 30, b: 10, c: 4 })
  t.deepEqual(off.of('a', 'b', 'c'), [1, 1, 1])
  const moments = new Machines(USUAL)
  for (let i = 0; i < 10; i++) {
    moments.run(3, { ...USUAL, a: 100 })
    moments.run(1, USUAL)
  }
  t.deepEqual(moments.of('a'), [1])
  const tiny = new Machines({ a: 0.1, b: 0.1, c: 0.1 })
  tiny.run(10, { a: 0.1, b: 0.1, c: 0.1 })
  tiny.run(20, { a: 1.5, b: 0.1, c: 0.1 })
  t.deepEqual(tiny.of('a'), [1])
})

test('a slow worker - from the start on it is one that takes many times what its plan says', t => {
  const machines = new Machines(USUAL)
  machines.run(6, { ...USUAL, c: 60 })
  t.deepEqual(machines.of('a', 'b', 'c'), [1, 1, 6])
})

test('a slow worker - that was started again is another, and none is one where that is turned off', t => {
  const machines = new Machines(USUAL)
  machines.run(10, USUAL)
  machines.run(6, { ...USUAL, c: 60 })
  machines.incarnation = 2
  machines.run(1, USUAL)
  t.deepEqual(machines.of('c'), [1])
  const off = new Machines(USUAL, 0)
  off.run(10, USUAL)
  off.run(20, { ...USUAL, c: 60 })
  t.deepEqual(off.of('c'), [1])
})

test('a stalled actor - is one with a frame in its session that does not end, while its process counts', t => {
  const stalls = new Stalls(5_000, key => (key === 'p/1/0/0' ? 10 : 1_000))
  const beat = (countedAt: number, frames: number, running: number, stage = 0): void => {
    const counts = { frames, failures: 0, waiting: 3, running, runMs: 0, bytesIn: 0, bytesOut: 0 }
    const actor = { pipeline: 'p', epoch: 1, stage, replica: 0, ...counts, link: 'peer' as const }
    stalls.beaten({
      worker: 'w',
      incarnation: 1,
      at: 1e6 + countedAt,
      countedAt,
      rssBytes: 1,
      actors: [actor],
    })
  }
  const beats = (fromS: number, untilS: number, ...counts: [number, number, number?]): void => {
    for (let s = fromS; s <= untilS; s++) beat(s * 1_000, ...counts)
  }
  beats(0, 60, 7, 0)
  t.false(stalls.has('p/1/0/0'), 'nothing in its session: what waits, waits for the next stage')
  beats(61, 64, 7, 2)
  t.false(stalls.has('p/1/0/0'))
  beats(64, 64, 7, 2)
  t.false(stalls.has('p/1/0/0'), 'its process is frozen: that is for its agent')
  beats(95, 95, 7, 2)
  t.false(stalls.has('p/1/0/0'), 'it was frozen, and has not had the time to end what it ran')
  beats(96, 96, 7, 2)
  t.true(stalls.has('p/1/0/0'))
  beats(97, 97, 8, 2)
  t.false(stalls.has('p/1/0/0'))
  beats(100, 118, 8, 2, 1)
  t.false(stalls.has('p/1/1/0'), 'its frames take long')
  beats(119, 121, 8, 2, 1)
  t.true(stalls.has('p/1/1/0'))
  t.false(stalls.has('p/1/0/0'))
})
