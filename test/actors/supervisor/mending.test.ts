import test from 'ava'
import { filter } from 'rxjs'
import { type Plan } from '../../../core/control/index.js'
import { inTurns, until } from '../../support/actors.js'
import { supervising } from '../../support/supervising.js'

/** The worker of each stage. */
function workersOf({ stages }: Plan): string[] {
  return stages.map(({ worker }) => worker)
}

/** Three partitions on the first three of so many workers. */
async function deployed(t: Parameters<typeof supervising>[0], workers: number) {
  const setting = await supervising(t)
  const { supervisor } = await setting.start()
  const puppets = await setting.puppets(workers)
  await setting.ask('d1', { partitions: 3 })
  t.is(await setting.ends('d1'), 'ready')
  const plan = await until(setting.plans)
  t.deepEqual(workersOf(plan), ['w1', 'w2', 'w3'])
  const after = setting.plans.pipe(filter(({ epoch }) => epoch > plan.epoch))
  return { ...setting, supervisor, puppets, plan, after }
}

test('a lost worker - a free one takes its stage, the others keep theirs, and frames are sent again', async t => {
  const { puppets, after, plan, statuses } = await deployed(t, 4)
  const states: string[] = []
  statuses.subscribe(({ state }) => states.push(state))
  await puppets[1]?.die()
  const mended = await until(after)
  t.deepEqual(workersOf(mended), ['w1', 'w4', 'w3'])
  t.is(mended.handover, 'replay')
  t.truthy(plan.predicted)
  t.is(mended.predicted, undefined)
  t.is(mended.deployment, plan.deployment)
  await inTurns(() => states.includes('degraded') && states.at(-1) === 'ready')
  const epochs = () => puppets.map(({ desired }) => desired.map(({ epoch }) => epoch))
  const now = mended.epoch
  await inTurns(() => JSON.stringify(epochs()) === JSON.stringify([[now], [], [now], [now]]))
  // The partitions are the same, so that they need not be loaded anew.
  const part = (i: number) => puppets[i]?.desired[0]?.part.sha256
  t.is(new Set([part(0), part(2), part(3)]).size, 3)
})

test('a lost worker - gets nothing of the pipeline when it is back', async t => {
  const { puppets, after, statuses, puppet } = await deployed(t, 3)
  await puppets[0]?.die()
  const mended = await until(after)
  t.false(workersOf(mended).includes('w1'))
  await inTurns(() => puppets[0]?.desired.length === 0)
  const back = await puppet('w1')
  await until(statuses, ({ state, epoch }) => state === 'ready' && epoch === mended.epoch)
  t.deepEqual(back.desired, [])
})

test('a lost worker - that is back before its stage is loaded elsewhere keeps it', async t => {
  const setting = await supervising(t)
  await setting.start()
  const [, silent] = await setting.puppets(2)
  await setting.ask('d1', { partitions: 2 })
  t.is(await setting.ends('d1'), 'ready')
  const plan = await until(setting.plans)
  const slow = await setting.puppet('w3', { state: 'loading' })
  await setting.puppet('w4', { state: 'loading' })
  silent?.fallSilent()
  await until(setting.statuses, ({ state }) => state === 'degraded')
  await inTurns(() => slow.desired.length === 1)
  silent?.comeBack()
  await until(setting.statuses, ({ state, epoch }) => state === 'ready' && epoch === plan.epoch)
  await inTurns(() => slow.desired.length === 0)
  t.deepEqual(
    silent?.desired.map(({ epoch }) => epoch),
    [plan.epoch],
  )
})

test('a supervisor that has just begun to lead - takes nobody for lost whom it has had no time to hear', async t => {
  const { supervisor, start, puppets, plan, statuses, ask, ends, plans } = await deployed(t, 3)
  await supervisor.stop()
  for (const one of puppets) one.fallSilent()
  const states: string[] = []
  statuses.subscribe(({ state }) => states.push(state))
  await start('two', { acceptablePauseMs: 60_000 })
  for (const one of puppets) await one.beat()
  await ask('d2', { partitions: 3 })
  t.is(await ends('d2'), 'ready')
  t.false(states.includes('degraded'))
  t.is((await until(plans, ({ deployment }) => deployment === 'd2')).epoch, plan.epoch + 1)
})

test('lost workers - stages go on together on those that are left, down to one', async t => {
  const { puppets, after } = await deployed(t, 3)
  await puppets[0]?.die()
  const second = await until(after)
  t.false(workersOf(second).includes('w1'))
  await puppets[1]?.die()
  const third = await until(after, ({ epoch }) => epoch > second.epoch)
  t.deepEqual(workersOf(third), ['w3', 'w3', 'w3'])
})

test('lost workers - when nobody is left it is said, and the pipeline goes on when a worker comes', async t => {
  const { puppets, after, statuses, puppet } = await deployed(t, 3)
  for (const one of puppets) await one.die()
  const { error } = await until(statuses, one => one.error?.code === 'NO_WORKER')
  t.regex(error?.message ?? '', /no worker is there for stage \d; it goes on when one comes/)
  await puppet('late')
  const mended = await until(after, one => workersOf(one).every(worker => worker === 'late'))
  t.is(mended.stages.length, 3)
  await until(statuses, ({ state, epoch }) => state === 'ready' && epoch === mended.epoch)
})

test('a lost worker - one that cannot load its stage is not asked again, another is', async t => {
  const setting = await supervising(t)
  await setting.start()
  const [first] = [await setting.puppet('w1'), await setting.puppet('w2')]
  await setting.ask('d1', { partitions: 2 })
  t.is(await setting.ends('d1'), 'ready')
  const { epoch } = await until(setting.plans)
  const error = { code: 'ACTIVATION_FAILED' as const, message: 'no memory' }
  await setting.puppet('a-bad-one', { state: 'failed', error })
  await first?.die()
  const mended = await until(setting.plans, plan => plan.epoch > epoch)
  t.deepEqual(workersOf(mended), ['w2', 'w2'])
})

test('a runtime that crashed - its stages go to others while it starts again', async t => {
  const { puppets, after } = await deployed(t, 3)
  const error = { code: 'RUNTIME_CRASHED' as const, message: 'ended with SIGKILL' }
  await puppets[2]?.give({ state: 'failed', error })
  const mended = await until(after)
  t.false(workersOf(mended).includes('w3'))
})

test('a runtime that crashed - its worker is asked again when nobody else is left', async t => {
  const { puppets, after, plans } = await deployed(t, 3)
  const error = { code: 'RUNTIME_CRASHED' as const, message: 'ended with SIGKILL' }
  await puppets[2]?.give({ state: 'failed', error })
  const { epoch } = await until(after)
  for (const one of puppets.slice(0, 2)) await one.die()
  const mended = await until(plans, plan => plan.epoch > epoch && workersOf(plan).every(one => one === 'w3'))
  t.is(mended.stages.length, 3)
})

test('a runtime that crashed - its worker keeps what it runs again when another one crashes', async t => {
  const { puppets, after, plans, ask, ends } = await deployed(t, 4)
  const error = { code: 'RUNTIME_CRASHED' as const, message: 'ended with SIGKILL' }
  await puppets[0]?.give({ state: 'failed', error })
  t.deepEqual(workersOf(await until(after)), ['w4', 'w2', 'w3'])
  await puppets[0]?.give({ state: 'ready' })
  await ask('d2', { partitions: 3 })
  t.is(await ends('d2'), 'ready')
  const again = await until(plans, ({ deployment }) => deployment === 'd2')
  t.deepEqual(workersOf(again), ['w1', 'w2', 'w3'])
  await puppets[1]?.give({ state: 'failed', error })
  const mended = await until(plans, ({ epoch }) => epoch > again.epoch)
  t.deepEqual(workersOf(mended), ['w1', 'w4', 'w3'])
})

test('a spare worker - is given every partition beforehand, and takes the lost one that it holds', async t => {
  const { puppets, after } = await deployed(t, 5)
  const parts = puppets.slice(0, 3).map(({ desired }) => desired[0]?.part.sha256)
  const names = (i: number) => puppets[i]?.prefetch.map(({ sha256 }) => sha256) ?? []
  await inTurns(() => names(3).length === 3)
  t.deepEqual(new Set(names(3)), new Set(parts))
  t.deepEqual(names(0), [])
  await puppets[1]?.die()
  const mended = await until(after)
  t.deepEqual(workersOf(mended), ['w1', 'w4', 'w3'])
  t.is(mended.reason, 'worker lost')
  await inTurns(() => names(4).length === 3)
  t.deepEqual(names(3), [])
})

test('without a spare worker - each partition is fetched beforehand by who would take it', async t => {
  const { puppets, after } = await deployed(t, 3)
  const shaOf = (i: number) => puppets[i]?.desired[0]?.part.sha256
  const lost = shaOf(1)
  await inTurns(() => puppets.filter(({ prefetch }) => prefetch.length > 0).length === 2)
  const holder = puppets.findIndex(one => one.prefetch.some(({ sha256 }) => sha256 === lost))
  await puppets[1]?.die()
  t.is(workersOf(await until(after))[1], `w${holder + 1}`)
})

test('a supervisor that lost its folder - names workers that hold a partition to the one that takes it', async t => {
  const { supervisor, start, puppets, after } = await deployed(t, 4)
  await inTurns(() => puppets[3]?.prefetch.length === 3)
  await supervisor.stop()
  await start('two')
  await inTurns(() => puppets[3]?.prefetch.some(({ holders }) => holders !== undefined) === true)
  const lost = puppets[1]?.desired[0]?.part.sha256
  await puppets[1]?.die()
  const mended = await until(after)
  t.deepEqual(workersOf(mended), ['w1', 'w4', 'w3'])
  t.like(puppets[3]?.desired[0]?.part, { sha256: lost, holders: ['w4'] })
})

test('a lost worker - what each stage takes is told of the worker that has it now, and the excluded one is not asked', async t => {
  const setting = await supervising(t)
  await setting.start()
  const speed = (times: number) => ({ speed: { convGflops: 10 * times, matmulGflops: 10 * times } })
  const [first] = [await setting.puppet('w1', {}, speed(1)), await setting.puppet('w2', {}, speed(1))]
  await setting.ask('d1', { partitions: 2, exclude: ['w3'] })
  t.is(await setting.ends('d1'), 'ready')
  const plan = await until(setting.plans)
  await setting.puppet('w3', {}, speed(9))
  await setting.puppet('w4', {}, speed(2))
  await first?.die()
  const mended = await until(setting.plans, ({ epoch }) => epoch > plan.epoch)
  t.deepEqual(workersOf(mended), ['w4', 'w2'])
  t.is(mended.stages[0]?.computeMs, (plan.stages[0]?.computeMs ?? 0) / 2)
  t.is(mended.stages[1]?.computeMs, plan.stages[1]?.computeMs)
})
