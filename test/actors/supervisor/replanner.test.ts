import test from 'ava'
import { WorkerRegistry } from '../../../actors/supervisor/registry.js'
import { Replanner } from '../../../actors/supervisor/replanner.js'
import { type ReplanParts } from '../../../actors/supervisor/situation.js'
import { settled } from '../../support/actors.js'
import { planOf } from '../../support/dispatching.js'

const PLAN = planOf(1, { stages: planOf(1).stages.map(stage => ({ ...stage, worker: 'a' })) })

/** Two workers with links between them and to a third. Each look for a plan is counted, and finds none. */
function setting() {
  let now = 0
  let studies = 0
  let frames = 0
  const registry = new WorkerRegistry({ deadAfterMs: 1e9, acceptablePauseMs: 1e9 }, () => now)
  const join = (worker: string) => {
    registry.born({ worker, incarnation: 1, cores: 1, memoryBytes: 1, bornAt: 1 })
    registry.beaten({ worker, incarnation: 1, at: 0, rssBytes: 1, actors: [] })
    const links = ['a', 'b', 'c'].filter(to => to !== worker).map(to => ({ to, mbps: 100, rttMs: 1 }))
    registry.reported({ worker, incarnation: 1, term: 1, activations: [], links })
  }
  const parts = {
    registry,
    slowdownOf: () => 1,
    paces: () => {
      studies++
      throw new Error('nobody looks further here')
    },
  }
  const replanner = new Replanner(
    () => parts as unknown as ReplanParts,
    { replanIntervalMs: 1 },
    () => {},
    () => now,
  )
  ;['a', 'b'].forEach(join)
  replanner.planned(replanner.circumstances())
  /** Lets time go by. @returns how often a plan was looked for meanwhile */
  const pass = async (ms: number) => {
    const before = studies
    for (const end = now + ms; now < end;) {
      now += 100
      replanner.tend(PLAN, () => {})
      await settled()
    }
    return studies - before
  }
  const slower = (from: string, to: string, mbps: number, isSure = true) =>
    registry.links.delivered(from, to, { mbps, isSure })
  const measured = (from: string, figures: Record<string, number>) =>
    registry.links.report(
      from,
      Object.entries(figures).map(([to, mbps]) => ({ to, mbps, rttMs: 1 })),
    )
  /** Frames go through the only stage, and its runs take all of the time. */
  const full = (worker: string, seconds: number) => {
    const counts = { failures: 0, waiting: 1, running: 1, bytesIn: 0, bytesOut: 0, link: 'peer' as const }
    for (const end = now + 1_000 * seconds; now < end;) {
      now += 1_000
      frames += 10
      const actor = { pipeline: 'p', epoch: 1, stage: 0, replica: 0, ...counts, frames, runMs: 100 * frames }
      registry.beaten({ worker, incarnation: 1, at: now, rssBytes: 1, actors: [actor] })
    }
  }
  return { pass, slower, measured, join, full }
}

test('a replanner - does nothing while all is as it was', async t => {
  t.is(await setting().pass(10_000), 0)
})

test('a replanner - waits until no link has changed for a while, and looks once', async t => {
  const { pass, slower } = setting()
  await pass(500)
  slower('a', 'b', 20)
  t.is(await pass(1_300), 0)
  slower('a', 'c', 5)
  t.is(await pass(1_300), 0, 'another link is slower too')
  slower('b', 'c', 50)
  t.is(await pass(1_900), 0)
  t.is(await pass(300), 1)
  t.is(await pass(10_000), 0, 'that has been considered')
})

test('a replanner - waits longer while links are being measured, but not for ever', async t => {
  for (const isMeasured of [true, false]) {
    const { pass, slower, measured } = setting()
    await pass(11_000)
    slower('a', 'c', 100)
    slower('b', 'a', 20)
    t.is(await pass(3_000), 0)
    if (isMeasured) measured('a', { b: 20, c: 60 })
    t.is(await pass(1_900), 0)
    t.is(await pass(300), isMeasured ? 1 : 0)
    t.is(await pass(700), 0)
    t.is(await pass(300), isMeasured ? 0 : 1)
  }
})

test('a replanner - does not wait so long for a worker that has joined', async t => {
  const { pass, join } = setting()
  await pass(500)
  join('c')
  t.is(await pass(300), 1)
})

test('a replanner - looks once whether parts are even, when frames have shown what they take', async t => {
  const { pass, full } = setting()
  await pass(500)
  full('a', 25)
  t.is(await pass(500), 0)
  full('a', 10)
  t.is(await pass(500), 1)
  full('a', 20)
  t.is(await pass(500), 0)
})
