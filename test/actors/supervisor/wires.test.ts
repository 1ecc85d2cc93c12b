import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { costsFileName, writeCosts } from '../../../actors/profiler/index.js'
import { type Plan } from '../../../core/control/index.js'
import { testFolder, until } from '../../support/actors.js'
import { costsOf, MODEL, supervising } from '../../support/supervising.js'

/** Three workers that are as fast as each other, of a model of which a megabyte crosses each cut. */
async function choosing(t: ExecutionContext, linkMbps: number, wireError: number) {
  const setting = await supervising(t)
  const profileDir = await testFolder(t)
  const costs = costsOf(MODEL)
  const crossings = costs.crossings.map((crossing, block) =>
    block === 0 || block === 6 ? crossing : { ...crossing, bytes: 1e6, floatBytes: 1e6, floats: 1 },
  )
  const rate = { msPerMessage: 0, msPerByte: 1e-6 }
  const converting = { encode: rate, decode: rate }
  await writeCosts(join(profileDir, costsFileName({ sha256: costs.model.sha256, ...costs })), {
    ...costs,
    crossings,
    conversions: { f16: converting, u8c: converting, u8: converting },
  })
  await setting.start('one', { profileDir })
  const about = { linkMbps }
  const [, second] = await Promise.all(['w1', 'w2', 'w3'].map(id => setting.puppet(id, {}, about)))
  await setting.ask('d1', { replicas: false, partitions: 2, wire: 'auto', wireError })
  t.is(await setting.ends('d1'), 'ready')
  return { plan: await until(setting.plans), plans: setting.plans, second }
}

function wiresOf({ stages }: Plan): (string | undefined)[] {
  return stages.map(({ wire }) => wire)
}

test('wires that are chosen - go by the links and by what may be lost, and the plan has them', async t => {
  const { plan: slow } = await choosing(t, 20, 0.02)
  t.deepEqual(wiresOf(slow), ['u8', 'f32'])
  t.is(slow.wire, 'auto')
  t.true(slow.sampleError > 0 && slow.sampleError <= 0.02)
  const { plan: exact } = await choosing(t, 20, 0)
  t.deepEqual(wiresOf(exact), ['f32', 'f32'])
  t.true((exact.predicted?.bottleneckMs ?? 0) > 3 * (slow.predicted?.bottleneckMs ?? Infinity))
  const { plan: careful } = await choosing(t, 20, slow.sampleError / 2)
  t.deepEqual(wiresOf(careful), ['f16', 'f32'])
  // What it should come to is with the wires that it has in the end.
  const between = careful.predicted?.bottleneckMs ?? 0
  t.true(between > 1.5 * (slow.predicted?.bottleneckMs ?? Infinity))
  t.true(between * 1.5 < (exact.predicted?.bottleneckMs ?? 0))
  const { plan: fast } = await choosing(t, 10_000, 0.02)
  t.deepEqual(wiresOf(fast), ['f32', 'f32'])
})

test('wires that are chosen - stay what they are where a partition moves', async t => {
  const { plan, plans, second } = await choosing(t, 20, 0.02)
  await second?.die()
  const next = await until(plans, ({ epoch }) => epoch > plan.epoch)
  t.true(next.stages.every(({ worker }) => worker !== 'w2'))
  t.deepEqual(wiresOf(next), wiresOf(plan))
  t.deepEqual([next.wire, next.asked?.wireError, next.sampleError], ['auto', 0.02, plan.sampleError])
})
