import test from 'ava'
import fc from 'fast-check'
import { CreditWindow } from '../../core/credit-window.js'
import { randomOf } from '../../core/synthetic/index.js'

/** A chain of stages, in virtual time: each takes its ms for a frame, or a multiple of that, one frame at a time, in order. */
class Chain {
  private readonly freeAt: number[]

  constructor(
    public stagesMs: readonly number[],
    private readonly times: () => number = () => 1,
  ) {
    this.freeAt = stagesMs.map(() => 0)
  }

  /** @returns when the frame comes out */
  send(at: number): number {
    return this.stagesMs.reduce(
      (now, ms, i) => (this.freeAt[i] = Math.max(now, this.freeAt[i] ?? 0) + ms * this.times()),
      at,
    )
  }
}

/** A source that always has a next frame, for so many frames. */
function stream(window: Pick<CreditWindow, 'size' | 'took'>, chain: Chain, frames: number, from = 0) {
  const under: { sentAt: number; outAt: number; ahead: number }[] = []
  const sizes: number[] = []
  const latencies: number[] = []
  let now = from
  for (let sent = 0; latencies.length < frames;) {
    while (sent < frames && under.length < window.size) {
      under.push({ sentAt: now, outAt: chain.send(now), ahead: under.length })
      sent++
    }
    const next = under.shift()
    if (next === undefined) break
    now = next.outAt
    window.took(next.sentAt, next.outAt, next.ahead)
    sizes.push(window.size)
    latencies.push(next.outAt - next.sentAt)
  }
  return { now, sizes, latencies, perSecond: (1_000 * frames) / (now - from) }
}

test('credit window - a chain of equal stages is kept as busy as with the largest window', t => {
  const stages = Array.from({ length: 8 }, () => 10)
  const most = stream(new CreditWindow({ least: 18, most: 18 }), new Chain(stages), 400)
  const found = stream(new CreditWindow({ least: 4, most: 18 }), new Chain(stages), 400)
  t.true(found.perSecond > 0.95 * most.perSecond, `${found.perSecond} of ${most.perSecond}`)
})

test('credit window - equal stages that are held up now and then have frames that wait', t => {
  const perSecond = (bounds: { least: number; busy?: number }) => {
    const random = randomOf('held up')
    const stages = Array.from({ length: 8 }, () => 10)
    const chain = new Chain(stages, () => (random.uniform() < 0.1 ? 6 : 0.5))
    return stream(new CreditWindow({ most: 36, ...bounds }), chain, 4_000).perSecond
  }
  const [most, lean, found] = [
    perSecond({ least: 36 }),
    perSecond({ least: 4 }),
    perSecond({ least: 4, busy: 8 }),
  ]
  t.true(found > 1.1 * lean, `${found} and ${lean}`)
  t.true(found > 0.75 * most, `${found} of ${most}`)
})

test('credit window - before one slow link no more frames wait than keep it busy', t => {
  const stages = [1_660, 4_430, 830, 280, 300, 100, 200, 50]
  const busy = stages.reduce((sum, ms) => sum + ms) / Math.max(...stages)
  const window = new CreditWindow({ least: 4, most: 18, busy })
  const { latencies, perSecond } = stream(window, new Chain(stages), 60)
  t.true(perSecond > 0.95 / 4.43, `${perSecond}`)
  t.true(Math.max(...latencies) < 30_000, `${Math.max(...latencies)}`)
})

test('credit window - finds the way through again when it has become slower or faster', t => {
  const window = new CreditWindow({ least: 4, most: 18 })
  const chain = new Chain([10, 10, 10, 10, 10, 10, 10, 10])
  let { now } = stream(window, chain, 300)
  for (const ms of [50, 5]) {
    chain.stagesMs = chain.stagesMs.map(() => ms)
    now = stream(window, chain, 600, now).now
    const after = stream(window, chain, 300, now)
    now = after.now
    t.true(after.perSecond > 0.9 * (1_000 / ms), `${ms} ms: ${after.perSecond}`)
  }
})

test('credit window - a source that has few frames does not make it larger', t => {
  const window = new CreditWindow({ least: 4, most: 18 })
  for (let i = 0; i < 100; i++) window.took(i * 100, i * 100 + 50, 0)
  t.is(window.size, 4)
})

test('credit window - is within its bounds whatever frames take', t => {
  const result = fc.record({ ms: fc.double({ min: 0, max: 1e6, noNaN: true }), ahead: fc.nat(30) })
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), fc.nat(20), fc.array(result), (least, more, results) => {
        const window = new CreditWindow({ least, most: least + more })
        return results.every(({ ms, ahead }, i) => {
          window.took(i, i + ms, ahead)
          return Number.isInteger(window.size) && window.size >= least && window.size <= least + more
        })
      }),
      { numRuns: 200 },
    ),
  )
})

test('credit window - one whose bounds are the same stays', t => {
  const window = new CreditWindow({ least: 7, most: 7 })
  for (let i = 0; i < 1_000; i++) window.took(i, i + 10 * (i % 13), 6)
  t.is(window.size, 7)
})

/** As `stream`, of frames of which no more are under way than stay fresh. */
function freshStream(window: CreditWindow, chain: Chain, frames: number) {
  const limited = {
    get size() {
      return window.fresh
    },
    took: (...told: Parameters<CreditWindow['took']>) => window.took(...told),
  }
  return stream(limited, chain, frames)
}

test('credit window - of a stream that wants its newest frames none waits long, and the chain is kept busy', t => {
  for (const stages of [[10], [10, 10, 10], [5, 10, 5], [10, 10, 10, 10, 10, 10, 10, 10]]) {
    const bounds = { least: 4, most: 2 * stages.length + 2, fresh: Math.max(2, stages.length) }
    const { latencies, perSecond } = freshStream(new CreditWindow(bounds), new Chain(stages), 2_600)
    t.true(perSecond > 95, `${perSecond}`)
    // Those that come all at once wait: the first, and those after the shortest way was measured anew.
    const late = latencies.filter(ms => ms > (stages.length + 1) * 10)
    t.true(late.length < 0.02 * latencies.length, `${late.length}`)
    t.true(Math.max(...late, 0) <= 2 * stages.length * 10, `${Math.max(...late)}`)
  }
})

test('credit window - where frames are under way for long without waiting, more of them stay fresh', t => {
  // Of two stages each of which is far away: a frame is under way for 200 ms, and 10 a second would leave the stages idle.
  const window = new CreditWindow({ least: 4, most: 40, fresh: 3 })
  let now = 0
  for (let i = 0; i < 200; i++) window.took(now, (now += 200), window.fresh - 1)
  t.true(window.fresh > 20, `${window.fresh}`)
})

test('credit window - one whose size was asked for is the same for all streams', t => {
  t.is(new CreditWindow({ least: 18, most: 18 }).fresh, 18)
})
