import test from 'ava'
import { LiveLinks } from '../../../actors/supervisor/live-links.js'

/** What was found within so long counts together. */
const TOGETHER_MS = 10_000
const DOUBT_EVERY_MS = 30_000
const USED_MS = 5_000

function setting() {
  let now = 0
  const links = new LiveLinks(() => now)
  const report = (from: string, figures: Record<string, number>) =>
    links.report(
      from,
      Object.entries(figures).map(([to, mbps]) => ({ to, mbps, rttMs: 1 })),
    )
  report('a', { b: 100, c: 100, d: 100 })
  report('b', { c: 100 })
  now += TOGETHER_MS
  const of = (worker: string) => Object.fromEntries(links.linksOf(worker).map(({ to, mbps }) => [to, mbps]))
  return { links, report, of, wait: (ms: number) => (now += ms) }
}

test('live links - are as they were measured, from either side, until frames show otherwise', t => {
  const { links, of } = setting()
  t.is(links.of('b', 'a'), 100)
  t.is(links.of('a', 'e'), undefined)
  links.delivered('b', 'a', { mbps: 20 })
  links.delivered('b', 'c', { mbps: 100 })
  t.deepEqual(of('b'), { c: 100, a: 20 })
  t.is(links.of('a', 'b'), 20, 'the other way, and the only link of a that is known')
  t.is(links.of('a', 'c'), 20)
  t.is(links.share('b'), 1)
})

test('live links - of a worker all of whose links are slower are expected to be, and so is that to the broker', t => {
  const { links, of } = setting()
  links.delivered('a', 'b', { mbps: 5 })
  links.delivered('a', 'c', { mbps: 10 })
  t.is(links.share('a'), 0.1)
  t.deepEqual(of('a'), { b: 5, c: 10, d: 10 })
  links.delivered('a', 'c', { mbps: 300 })
  t.is(links.share('a'), 1)
})

test('live links - a newer measurement counts for more than frames before it', t => {
  const { links, report, of } = setting()
  links.delivered('a', 'b', { mbps: 5 })
  links.delivered('b', 'a', { mbps: 5 })
  // It is about to be measured again, and what was known still counts.
  report('a', { c: 100, d: 100 })
  t.is(of('a')['b'], 5)
  report('a', { b: 40, c: 100, d: 100 })
  t.is(of('a')['b'], 40)
  t.is(links.of('b', 'a'), 40)
  links.delivered('a', 'b', { mbps: 5 })
  report('a', { b: 40, c: 100, d: 100 })
  t.is(of('a')['b'], 5)
})

test('live links - one that was found slow and has no frames any more is doubtful after a while', t => {
  const { links, wait } = setting()
  links.delivered('a', 'b', { mbps: 5 })
  links.delivered('a', 'c', { mbps: 100 })
  wait(29_999)
  t.false(links.isDoubtful('a', 'b'))
  wait(1)
  t.true(links.isDoubtful('b', 'a'))
  t.false(links.isDoubtful('a', 'c'), 'it is as it was measured')
  links.delivered('a', 'b', { mbps: 5 })
  t.false(links.isDoubtful('a', 'b'))
})

test('live links - of a worker that joins anew are unknown', t => {
  const { links, report, of } = setting()
  links.delivered('a', 'b', { mbps: 5 })
  links.delivered('a', 'c', { mbps: 100 })
  links.forget('b')
  t.is(links.share('a'), 1)
  t.deepEqual(of('b'), {})
  report('b', { c: 50 })
  t.deepEqual(of('b'), { c: 50 })
})

test('live links - frames over a link that was not used before do not make it fast again, nor others', t => {
  const { links, of } = setting()
  links.delivered('a', 'b', { mbps: 20 })
  t.is(links.of('a', 'c'), 20)
  // Its receiver is busy, and nothing waits for the link.
  links.delivered('a', 'c', { mbps: 10, isSure: false })
  t.deepEqual(of('a'), { b: 20, c: 20, d: 20 })
  links.delivered('a', 'c', { mbps: 22, isSure: false })
  t.deepEqual(of('a'), { b: 20, c: 20, d: 20 })
})

test('live links - what was measured since others became slower is not expected to be slower still', t => {
  const { links, report, wait } = setting()
  links.delivered('a', 'b', { mbps: 20 })
  report('a', { b: 100, c: 25, d: 100 })
  t.is(links.of('a', 'c'), 25)
  t.is(links.of('c', 'a'), 25)
  t.is(links.of('a', 'd'), 25, 'the best of both')
  wait(TOGETHER_MS)
  links.delivered('a', 'b', { mbps: 10 })
  t.is(links.of('a', 'c'), 10)
  t.is(links.of('a', 'd'), 10)
  links.delivered('a', 'b', { mbps: 100 })
  t.is(links.of('a', 'c'), 25, 'nothing is known of other links of c')
})

test('live links - one that was found at some bandwidth and is not used is expected to be as others become', t => {
  const { links, wait } = setting()
  for (const to of ['b', 'c']) links.delivered('a', to, { mbps: 20 })
  wait(TOGETHER_MS)
  links.delivered('a', 'b', { mbps: 5 })
  t.is(links.of('a', 'c'), 5)
  links.delivered('a', 'c', { mbps: 3, isSure: false })
  t.is(links.of('a', 'c'), 5, 'its receiver may be busy')
  links.delivered('a', 'b', { mbps: 100 })
  t.is(links.of('a', 'c'), 20, 'as it was')
})

test('live links - a measurement in a slow network tells of that, and is no measure of what links do at best', t => {
  const { links, report, wait } = setting()
  links.delivered('a', 'b', { mbps: 20 })
  links.delivered('c', 'b', { mbps: 20 })
  wait(TOGETHER_MS)
  report('a', { b: 24, c: 100, d: 100 })
  t.is(links.share('a'), 0.24)
  t.is(links.of('a', 'd'), 24)
  wait(TOGETHER_MS)
  links.delivered('b', 'a', { mbps: 6 })
  t.is(links.share('a'), 0.06)
  t.is(links.of('a', 'd'), 6)
  t.is(links.of('a', 'b'), 6)
  report('e', { a: 6 })
  wait(TOGETHER_MS)
  links.delivered('b', 'a', { mbps: 24 })
  t.is(links.share('a'), 0.24)
  t.true(links.isDoubtful('e', 'a'), 'it was measured when all were slow')
})

test('live links - one that was measured while others were slow is doubtful when they become faster', t => {
  const { links, report, of, wait } = setting()
  links.delivered('a', 'b', { mbps: 5 })
  report('a', { b: 100, c: 5, d: 100 })
  t.is(links.of('a', 'c'), 5)
  t.false(links.isDoubtful('a', 'c'))
  wait(TOGETHER_MS)
  links.delivered('a', 'b', { mbps: 20 })
  t.is(links.of('a', 'c'), 5, 'it may be the other worker that makes it slow')
  t.true(links.isDoubtful('a', 'c'))
  t.true(links.isDoubtful('c', 'a'))
  t.false(links.isDoubtful('b', 'c'))
  report('a', { b: 100, c: 5.1, d: 100 })
  t.false(links.isDoubtful('a', 'c'), 'it was measured')
  t.is(of('a')['c'], 5.1)
})

test('live links - what seems faster than is known is measured once, and again when something else is known', t => {
  const { links, report, wait } = setting()
  links.delivered('a', 'b', { mbps: 130, isSure: false })
  t.false(links.isDoubtful('a', 'b'))
  links.delivered('a', 'b', { mbps: 140, isSure: false })
  t.is(links.of('a', 'b'), 100)
  t.true(links.isDoubtful('a', 'b'))
  t.true(links.isDoubtful('b', 'a'))
  report('a', { b: 110, c: 100, d: 100 })
  t.is(links.of('a', 'b'), 110)
  t.false(links.isDoubtful('a', 'b'))
  links.delivered('a', 'b', { mbps: 500, isSure: false })
  t.false(links.isDoubtful('a', 'b'), 'it was measured')
  links.delivered('a', 'b', { mbps: 20 })
  links.delivered('a', 'b', { mbps: 60, isSure: false })
  t.false(links.isDoubtful('a', 'b'), 'it was measured a moment ago')
  wait(DOUBT_EVERY_MS)
  links.delivered('a', 'b', { mbps: 60, isSure: false })
  t.true(links.isDoubtful('a', 'b'))
  report('a', { b: 105, c: 100, d: 100 })
  t.is(links.of('a', 'b'), 105)
  wait(DOUBT_EVERY_MS)
  links.delivered('a', 'b', { mbps: 500, isSure: false })
  t.true(links.isDoubtful('a', 'b'), 'it has changed since')
  links.delivered('a', 'b', { mbps: 300 })
  t.false(links.isDoubtful('a', 'b'))
})

test('live links - where one becomes slower, others of its workers are expected to be, and those with frames are measured', t => {
  const { links, report, wait } = setting()
  links.delivered('a', 'b', { mbps: 100 })
  links.delivered('b', 'c', { mbps: 100 })
  links.delivered('b', 'c', { mbps: 20, isSure: false })
  t.false(links.hasDoubts, 'its receiver may be busy')
  links.delivered('a', 'b', { mbps: 20 })
  t.true(links.hasDoubts)
  t.true(links.isDoubtful('c', 'b'))
  t.false(links.isDoubtful('a', 'b'))
  t.false(links.isDoubtful('a', 'c'), 'no frame goes over it')
  t.is(links.of('b', 'c'), 20, 'until it has been measured')
  report('b', { c: 70 })
  t.is(links.of('b', 'c'), 70)
  t.false(links.hasDoubts)
  links.delivered('b', 'c', { mbps: 70 })
  links.delivered('a', 'b', { mbps: 10 })
  t.false(links.hasDoubts, 'it was measured a moment ago')
  t.is(links.of('b', 'c'), 70)
  wait(DOUBT_EVERY_MS)
  links.delivered('b', 'c', { mbps: 70 })
  links.delivered('a', 'b', { mbps: 5 })
  t.true(links.isDoubtful('b', 'c'))
  t.is(links.of('b', 'c')?.toFixed(3), '5.000')
})

test('live links - one that is slow already is not expected to be slower for others that are less slow', t => {
  const { links, wait } = setting()
  links.delivered('b', 'c', { mbps: 10 })
  wait(DOUBT_EVERY_MS)
  links.delivered('b', 'c', { mbps: 10 })
  links.delivered('a', 'b', { mbps: 100 })
  links.delivered('a', 'b', { mbps: 50 })
  t.is(links.of('b', 'c'), 10)
  t.true(links.isDoubtful('b', 'c'))
})

test('live links - are as they were before, where frames that left since show that they are not slower', t => {
  const { links, wait } = setting()
  links.delivered('a', 'b', { mbps: 100 })
  links.delivered('b', 'c', { mbps: 100 })
  links.delivered('a', 'b', { mbps: 20 })
  wait(2_000)
  links.delivered('b', 'c', { mbps: 90, isSure: false, agoMs: 2_001 })
  t.is(links.of('b', 'c'), 20, 'that was before')
  links.delivered('b', 'c', { mbps: 60, isSure: false, agoMs: 1_000 })
  t.is(links.of('b', 'c'), 60)
  links.delivered('b', 'c', { mbps: 130, isSure: false, agoMs: 500 })
  t.is(links.of('b', 'c'), 100)
  t.is(links.of('a', 'b'), 20)
})

test('live links - are measured to do more than was known beside frames, never less', t => {
  const { links, report, wait } = setting()
  links.used('a', 'b')
  report('a', { b: 1.3, c: 100, d: 100 })
  t.is(links.of('a', 'b'), 100)
  report('a', { b: 150, c: 100, d: 100 })
  t.is(links.of('b', 'a'), 150)
  wait(USED_MS)
  report('a', { b: 1.4, c: 100, d: 100 })
  t.is(links.of('a', 'b'), 1.4)
  links.delivered('a', 'b', { mbps: 2 })
  report('b', { a: 1.2 })
  t.is(links.of('a', 'b')?.toFixed(3), '2.000')
})

test('live links - where one became slower, what seems slower is believed of others of its workers, as far as that goes', t => {
  for (const [seems, is] of [
    [30, 30],
    [2, 10],
    [90, 99],
  ] as const) {
    const { links, report, wait } = setting()
    // Measured so late that it counts for itself.
    report('a', { b: 100, c: 99, d: 100 })
    wait(1)
    links.delivered('a', 'c', { mbps: seems, isSure: false })
    links.delivered('a', 'b', { mbps: 10 })
    t.is(links.of('a', 'c'), 99)
    links.delivered('a', 'c', { mbps: seems, isSure: false })
    t.is(links.of('a', 'c'), is, 'its receiver may be busy too')
  }
})

test('live links - how much slower one became that was never measured says nothing of others', t => {
  const { links, wait } = setting()
  links.delivered('a', 'e', { mbps: 100 })
  wait(1)
  links.delivered('a', 'e', { mbps: 10 })
  links.delivered('a', 'c', { mbps: 1, isSure: false })
  t.is(links.of('a', 'c'), 100)
})

test('live links - what seems slower long after another became slower may be a busy receiver', t => {
  const { links, report, wait } = setting()
  report('a', { b: 100, c: 99, d: 100 })
  wait(1)
  links.delivered('a', 'b', { mbps: 10 })
  wait(TOGETHER_MS)
  links.delivered('a', 'd', { mbps: 100 })
  links.delivered('a', 'c', { mbps: 30, isSure: false })
  t.is(links.of('a', 'c'), 99)
})

test('live links - what is measured beside frames to be less leaves what is known to change with others', t => {
  const { links, report, wait } = setting()
  links.used('a', 'b')
  report('a', { b: 10, c: 100, d: 100 })
  t.is(links.of('a', 'b'), 100)
  for (const to of ['c', 'd']) links.delivered('a', to, { mbps: 20 })
  t.is(links.of('a', 'b'), 20)
  wait(USED_MS)
  report('a', { b: 15, c: 100, d: 100 })
  t.is(links.of('a', 'b'), 15)
})
