import test from 'ava'
import { measureLink } from '../../../actors/benchmark/link-figure.js'
import { randomOf } from '../../../core/synthetic/index.js'

const LINKS = 200
const LIMITS = { mostBytes: 2 ** 20, passes: 1 } as const

/** A link of so many Mbit/s whose messages also wait, for as long as `waits` says, by their number. */
function linkOf(mbps: number, waits: (message: number) => number) {
  let [clock, count] = [0, 0]
  const time = async (bytes: number) => {
    const ms = (bytes * 8) / 1e3 / mbps + waits(count++)
    clock += ms
    return ms
  }
  return { time, now: () => clock }
}

async function measured(mbps: number, waits: (message: number) => number) {
  const { time, now } = linkOf(mbps, waits)
  const figure = await measureLink(time, LIMITS, now)
  return { ratio: figure.mbps / mbps, tookMs: now() }
}

test('link figure - is not taken for a slow one because single messages waited, however long', async t => {
  const stalls = new Map([
    [0, 700],
    [3, 400],
    [5, 300],
  ])
  const { ratio } = await measured(1_000, message => 1 + (stalls.get(message) ?? 0))
  t.true(Math.abs(ratio - 1) < 0.05, `${ratio}`)
})

test('link figure - of machines that keep every message waiting is measured with larger ones', async t => {
  const { ratio, tookMs } = await measured(200, message => 25 + (message % 3))
  t.true(ratio > 0.8 && ratio < 1.3, `${ratio}`)
  t.true(tookMs < 3_000, `${tookMs} ms`)
})

test('link figure - is seldom far off where a quota of the processor holds every other message up', async t => {
  const random = randomOf('held up', 1)
  for (const mbps of [3, 20, 100, 1_000]) {
    const ratios: number[] = []
    for (let link = 0; link < LINKS; link++) {
      // 15 ms in each 100 ms, and some of them are gone.
      const held = () => 1 + (random.below(2) === 0 ? 0 : 20 + random.below(66))
      ratios.push((await measured(mbps, held)).ratio)
    }
    const off = ratios.filter(ratio => ratio < 0.5 || ratio > 2).length
    t.true(off <= LINKS / 20, `${mbps} Mbit/s: ${off} of ${LINKS} are off by more than a factor of two`)
  }
})

test('link figure - is not taken for a much faster one where frames are in the way of most messages', async t => {
  const random = randomOf('frames', 1)
  for (const mbps of [5, 20, 100]) {
    const frameMs = (50_000 * 8) / 1e3 / mbps
    for (let link = 0; link < LINKS; link++) {
      const behind = () => 1 + (random.below(3) === 0 ? 0 : (frameMs * random.below(200)) / 100)
      const { ratio, tookMs } = await measured(mbps, behind)
      t.true(ratio < 2, `${mbps} Mbit/s: ${ratio}`)
      t.true(tookMs < 5_000, `${mbps} Mbit/s: ${tookMs} ms`)
    }
  }
})
