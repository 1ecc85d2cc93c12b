import test from 'ava'
import { rowsOf, targetsOf } from './figures.js'
import { type Sample } from './measure.js'
import { type Way } from './ways.js'

function sample(way: Way, bytes: number, mbps: number, p50: number): Sample {
  return { way, bytes, mbps, p50, p99: 2 * p50, cpuMs: 1 }
}

/** Three rounds, each on a machine of another speed. */
function rounds(share: number, aboveMs: number): Sample[][] {
  return [1, 2, 10].map(slow =>
    [200_000, 800_000].flatMap(bytes => [
      sample('tcp', bytes, 1_000 / slow, slow),
      sample('peer', bytes, (share * 1_000) / slow, slow + aboveMs),
    ]),
  )
}

test('links - are compared with raw TCP in the same round', t => {
  const row = rowsOf(rounds(0.8, 0.5)).find(({ way, bytes }) => way === 'peer' && bytes === 800_000)
  t.deepEqual(row?.ofTcp, { median: 0.8, low: 0.8, high: 0.8 })
  t.deepEqual(row?.aboveTcp, { median: 0.5, low: 0.5, high: 0.5 })
  t.is(row?.mbps.median, 400)
})

for (const [share, aboveMs, kept] of [
  [0.7, 1, [true, true]],
  [0.69, 1, [false, true]],
  [0.7, 1.01, [true, false]],
] as const) {
  test(`links - with ${share} of raw TCP's throughput and ${aboveMs} ms more: what is kept`, t => {
    const targets = targetsOf(rowsOf(rounds(share, aboveMs)))
    t.deepEqual(
      targets.map(target => target.kept),
      [...kept],
    )
  })
}

test('links - keep nothing that was not measured', t => {
  t.true(targetsOf(rowsOf([])).every(({ kept }) => !kept))
})
