import test from 'ava'
import { filter } from 'rxjs'
import { encodeControl, type Order, type Plan } from '../../../core/control/index.js'
import { doubler, inTurns, TOPICS, until } from '../../support/actors.js'
import { supervising } from '../../support/supervising.js'

const [FIRST, SECOND] = [doubler(6), doubler(7)]

/** A version on `w1`, and another that is tried on `w2`. */
async function tried(t: Parameters<typeof supervising>[0], puppets = 3) {
  const setting = await supervising(t)
  const { supervisor, store } = await setting.start()
  const workers = await setting.puppets(puppets)
  await setting.ask('d1', { partitions: 1, exclude: ['w2'] }, FIRST)
  t.is(await setting.ends('d1'), 'ready')
  await setting.ask('d2', { partitions: 1, exclude: ['w1', 'w3'], canary: 0.1 }, SECOND)
  t.is(await setting.ends('d2'), 'ready')
  const plan = await until(setting.plans, ({ canary }) => canary !== undefined)
  const order = (deployment: string, order: Order['order']) => {
    const message: Order = { pipeline: 'p', deployment, order, deployTimeoutMs: 60_000 }
    return setting.user.publish(TOPICS.pipeline.spec('p'), encodeControl(message), { qos: 1, retain: true })
  }
  const epochs = () => workers.map(({ desired }) => desired.map(({ epoch }) => epoch))
  const runs = (wanted: number[][]) => inTurns(() => JSON.stringify(epochs()) === JSON.stringify(wanted))
  const numberOf = ({ revision, epoch }: Plan) => revision?.number ?? epoch
  const after = setting.plans.pipe(filter(next => numberOf(next) > numberOf(plan)))
  return { ...setting, supervisor, store, workers, plan, order, runs, after }
}

test('a canary - is loaded beside what runs, and has no part in it when it is rolled back', async t => {
  const { plan, order, ends, after, runs } = await tried(t)
  const canary = plan.canary?.plan.epoch ?? 0
  await runs([[plan.epoch], [canary], []])
  await order('o', 'rollback')
  t.is(await ends('o'), 'ready')
  t.like(await until(after), { epoch: plan.epoch, canary: undefined, reason: 'rolled back' })
  await runs([[plan.epoch], [], []])
})

for (const [title, act] of [
  ['dies', worker => worker?.die()],
  [
    'has a runtime that crashes',
    worker => worker?.give({ state: 'failed', error: { code: 'RUNTIME_CRASHED', message: 'SIGKILL' } }),
  ],
] as [
  string,
  (worker: Awaited<ReturnType<typeof tried>>['workers'][number] | undefined) => Promise<void>,
][]) {
  test(`a canary - whose worker ${title}, is ended at once, and that is said`, async t => {
    const { workers, plan, after, statuses } = await tried(t)
    await act(workers[1])
    t.like(await until(after), {
      ...{ epoch: plan.epoch, canary: undefined, handover: 'replay', reason: 'canary ended' },
    })
    const { state, error } = await until(statuses, one => one.reason === 'canary ended')
    t.is(state, 'ready')
    t.is(error?.code, 'CANARY_ENDED')
  })
}

test('a canary - goes on when the version beside it loses a worker and is mended', async t => {
  const { workers, plan, after, runs } = await tried(t)
  await workers[0]?.die()
  const mended = await until(after)
  t.true(mended.epoch > plan.epoch)
  t.deepEqual(mended.canary, plan.canary)
  await runs([[], [plan.canary?.plan.epoch ?? 0], [mended.epoch]])
})

test('a canary - outlives the leader, and the next one neither forgets it nor does again what was ordered', async t => {
  const { supervisor, store, start, plan, order, ends, plans, runs, workers } = await tried(t)
  await supervisor.stop()
  const second = await start('two', {}, store)
  await order('o1', 'promote')
  t.is(await ends('o1'), 'ready')
  const promoted = await until(plans, ({ reason }) => reason === 'promoted')
  t.is(plan.canary?.plan.epoch, promoted.epoch)
  t.is(promoted.previous?.model.sha256, plan.model.sha256)
  await runs([[], [promoted.epoch], []])
  await second.supervisor.stop()
  await start('three', {}, store)
  await order('o2', 'rollback')
  t.is(await ends('o2'), 'ready')
  const back = await until(plans, ({ reason }) => reason === 'rolled back')
  t.is(back.model.sha256, plan.model.sha256)
  t.deepEqual(
    back.stages.map(({ worker }) => worker),
    ['w1'],
    'as it was asked for',
  )
  await runs([[back.epoch], [], []])
  t.true(workers.every(({ desired }) => desired.length < 2))
})
