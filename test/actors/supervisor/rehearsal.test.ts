import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { costsFileName, writeCosts } from '../../../actors/profiler/index.js'
import { type Plan } from '../../../core/control/index.js'
import { testFolder, until } from '../../support/actors.js'
import { costsOf, MODEL, supervising } from '../../support/supervising.js'

const SPEED = { convGflops: 10, matmulGflops: 20 }

/** Two workers that say that they are as fast as the machine that measured six blocks of 20 ms, and take so long for a run. */
async function rehearsing(
  t: ExecutionContext,
  runMs: Readonly<Record<string, number>>,
  asked: Parameters<Awaited<ReturnType<typeof supervising>>['ask']>[1] = {},
) {
  const setting = await supervising(t)
  const profileDir = await testFolder(t)
  const costs = costsOf(MODEL)
  await writeCosts(join(profileDir, costsFileName({ sha256: costs.model.sha256, ...costs })), costs)
  await setting.start('one', { profileDir }, undefined, { measureSpeed: () => Promise.resolve(SPEED) })
  const puppets = await Promise.all(
    Object.entries(runMs).map(([id, ms]) => setting.puppet(id, { runMs: ms }, { speed: SPEED })),
  )
  await setting.ask('d1', { replicas: false, ...asked })
  t.is(await setting.ends('d1'), 'ready')
  return { plan: await until(setting.plans), puppets }
}

function operatorsOf({ stages }: Plan): Record<string, number> {
  return Object.fromEntries(stages.map(({ worker, operators }) => [worker, operators]))
}

function computeMsOf({ stages }: Plan): Record<string, number> {
  return Object.fromEntries(stages.map(({ worker, computeMs }) => [worker, Math.round(computeMs)]))
}

test('a rehearsal - a worker that is slower than it says gets less before the plan is in force', async t => {
  const { plan, puppets } = await rehearsing(t, { w1: 120, w2: 60 })
  t.deepEqual(operatorsOf(plan), { w1: 2, w2: 4 })
  t.true(plan.epoch > 1)
  for (const { desired } of puppets)
    t.deepEqual([...new Set(desired.map(({ epoch }) => epoch))], [plan.epoch])
})

test('a rehearsal - what is predicted is what it took', async t => {
  const { plan } = await rehearsing(t, { w1: 90, w2: 90 })
  t.deepEqual(operatorsOf(plan), { w1: 3, w2: 3 })
  t.is(plan.epoch, 1)
  t.deepEqual(computeMsOf(plan), { w1: 90, w2: 90 })
  const { fps = 0, bottleneckMs = 0, lowerBoundMs = 0, optimal } = plan.predicted ?? {}
  t.true(fps > 10.5 && fps < 1_000 / 90)
  t.true(optimal)
  t.true(lowerBoundMs > 60 && lowerBoundMs <= bottleneckMs)
})

test('a rehearsal - a number of partitions that was asked for is cut anew, and is that number', async t => {
  const { plan } = await rehearsing(t, { w1: 120, w2: 60 }, { partitions: 2 })
  t.deepEqual(operatorsOf(plan), { w1: 2, w2: 4 })
  t.true(plan.epoch > 1)
  t.is(plan.predicted?.lowerBoundMs, undefined)
})

test('a rehearsal - cuts that were asked for stay where they are, and what their parts take is told', async t => {
  const { plan } = await rehearsing(t, { w1: 240, w2: 60 }, { partitions: 2, cuts: [3] })
  t.deepEqual(operatorsOf(plan), { w1: 3, w2: 3 })
  t.is(plan.epoch, 1)
  t.deepEqual(computeMsOf(plan), { w1: 240, w2: 60 })
  t.is(plan.predicted?.bottleneck, 'w1')
})

test('a rehearsal - runs that are too short to tell change nothing', async t => {
  const { plan } = await rehearsing(t, { w1: 0.5, w2: 1.9 })
  t.deepEqual(operatorsOf(plan), { w1: 3, w2: 3 })
  t.deepEqual(computeMsOf(plan), { w1: 60, w2: 60 })
})
