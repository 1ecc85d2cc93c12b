import { readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { filter } from 'rxjs'
import { costsFileName, writeCosts } from '../../../actors/profiler/index.js'
import { Supervisor, supervisorOptions } from '../../../actors/supervisor/index.js'
import { encodeControl, Leader, type PipelineStatus, type Plan } from '../../../core/control/index.js'
import { parseCosts } from '../../../core/costs/index.js'
import { parseOptions } from '../../../core/options.js'
import { doubler, hear, inTurns, listen, rejection, settled, testStore } from '../../support/actors.js'
import { testBroker, testFolder, TOPICS, until } from '../../support/actors.js'
import { costsOf, MODEL, specOf, supervising } from '../../support/supervising.js'

const { worker, pipeline } = TOPICS

test('a supervisor - cuts a model, spreads it over the workers, and says when it is ready', async t => {
  const { start, puppets, ask, statuses, plans, ends } = await supervising(t)
  const { supervisor, store } = await start()
  const workers = await puppets(3)
  const states: string[] = []
  statuses.subscribe(({ state }) => states.push(state))
  await ask('d1', { partitions: 3 })
  t.is(await ends('d1'), 'ready')
  t.deepEqual(states, ['fetching', 'planning', 'loading', 'ready'])
  const plan = await until(plans)
  t.like(plan, {
    pipeline: 'p',
    deployment: 'd1',
    term: supervisor.term,
    epoch: 1,
    window: 16,
    sampleError: 0,
  })
  t.deepEqual(plan.inputs, [{ name: 'x', dtype: 'float32', dims: [1, 2] }])
  t.deepEqual(plan.outputs, [{ name: 'y', dtype: 'float32', dims: [1, 2] }])
  t.deepEqual(
    plan.stages.map(({ stage, worker, inbox }) => [stage, worker, inbox.topic]),
    [0, 1, 2].map(stage => [stage, `w${stage + 1}`, TOPICS.data.stage('p', 1, stage, 0)]),
  )
  t.is(
    plan.stages.reduce((sum, { operators }) => sum + operators, 0),
    6,
  )
  for (const [i, { desired }] of workers.entries()) {
    const [activation, ...more] = desired
    t.deepEqual(more, [])
    t.like(activation, { stage: i, term: supervisor.term, epoch: 1, inbox: plan.stages[i]?.inbox })
    const next = plan.stages.slice(i + 1, i + 2)
    t.deepEqual(
      activation?.next?.map(({ topic, worker }) => ({ topic, worker })),
      next.length === 0 ? undefined : next.map(({ inbox, worker }) => ({ topic: inbox.topic, worker })),
    )
    t.true((activation?.inboxFrames ?? 0) >= plan.window)
    t.true(activation && (await store.has(activation.part)))
  }
  t.deepEqual(
    workers.map(({ desired }) => desired[0]?.receives),
    [['x'], workers[0]?.desired[0]?.sends, workers[1]?.desired[0]?.sends],
  )
})

test('a supervisor - neighbouring stages share a worker where there are more stages', async t => {
  const { start, puppets, ask, plans, ends } = await supervising(t)
  await start()
  await puppets(2)
  await ask('d1', { partitions: 5, window: 3 })
  t.is(await ends('d1'), 'ready')
  const plan = await until(plans)
  t.deepEqual(
    plan.stages.map(({ worker }) => worker),
    ['w1', 'w1', 'w1', 'w2', 'w2'],
  )
  t.is(plan.window, 3)
})

test('a supervisor - runs a small model on one worker, unless a number of partitions was asked for', async t => {
  const { start, puppets, ask, plans, ends, statuses } = await supervising(t)
  await start()
  await puppets(4)
  await ask('d1', { replicas: false })
  t.is(await ends('d1'), 'ready')
  const { stages, predicted } = await until(plans)
  t.deepEqual(
    stages.map(({ worker }) => worker),
    ['w1'],
  )
  t.true((stages[0]?.memoryBytes ?? 0) > 2 ** 24)
  t.deepEqual(predicted?.unused, ['w2', 'w3', 'w4'])
  t.true((predicted?.fps ?? 0) > 0 && (predicted?.latencyMs ?? 0) >= (predicted?.bottleneckMs ?? Infinity))
  await ask('d2', { partitions: 7 })
  t.is(await ends('d2'), 'TOO_MANY_PARTITIONS')
  const { error } = await until(
    statuses,
    ({ deployment, state }) => deployment === 'd2' && state === 'failed',
  )
  t.regex(error?.message ?? '', /doubler.onnx.*7 partitions.*at most 6/)
})

test('a supervisor - plans by the costs that were measured before, and gives a slower worker less', async t => {
  const { start, puppet, ask, plans, ends } = await supervising(t)
  const profileDir = await testFolder(t)
  const costs = costsOf(MODEL)
  await writeCosts(join(profileDir, costsFileName({ sha256: costs.model.sha256, ...costs })), costs)
  const speed = { convGflops: 10, matmulGflops: 20 }
  await start('one', { profileDir }, undefined, { measureSpeed: () => Promise.resolve(speed) })
  await puppet('w1', {}, { speed: { convGflops: 5, matmulGflops: 10 } })
  await puppet('w2', {}, { speed })
  await ask('d1', { replicas: false })
  t.is(await ends('d1'), 'ready')
  const { stages, predicted } = await until(plans)
  const shown = stages.map(({ worker, operators, computeMs }) => [worker, operators, computeMs])
  t.deepEqual(Object.fromEntries(shown.map(([worker, operators]) => [worker, operators])), { w1: 2, w2: 4 })
  t.deepEqual(
    shown.map(([, , computeMs]) => computeMs),
    [80, 80],
  )
  t.true(Math.abs((predicted?.fps ?? 0) - 1_000 / 80) < 0.5)
})

test('a supervisor - measures a model once', async t => {
  const { start, puppets, ask, plans, ends } = await supervising(t)
  const { store } = await start('one', { profileDir: await testFolder(t) })
  await puppets(1)
  await ask('d1')
  t.is(await ends('d1'), 'ready')
  const [name = '', ...more] = await readdir(join(store.directory, 'costs'))
  t.deepEqual(more, [])
  const path = join(store.directory, 'costs', name)
  const measured = parseCosts(await readFile(path, 'utf8'), path)
  t.is(measured.model.name, 'doubler.onnx')
  // What a second measurement would never find.
  await writeFile(path, JSON.stringify({ ...costsOf(MODEL), machine: measured.machine }))
  await ask('d2')
  t.is(await ends('d2'), 'ready')
  const plan = await until(plans, ({ deployment }) => deployment === 'd2')
  t.deepEqual(
    plan.stages.map(({ computeMs }) => computeMs),
    [120],
  )
})

test('a supervisor - counts the memory that other pipelines take, and says what lacks', async t => {
  const { start, puppet, ask, ends, statuses, user } = await supervising(t)
  await start()
  await puppet('w1', {}, { availableBytes: 180e6 })
  await ask('d1')
  t.is(await ends('d1'), 'ready')
  // The same again has not enough room beside it, but it has in its place.
  await ask('d2')
  t.is(await ends('d2'), 'ready')
  await user.publish(pipeline.spec('q'), encodeControl({ ...specOf('d3'), pipeline: 'q' }), { qos: 1 })
  t.is(await ends('d3'), 'PLAN_INFEASIBLE')
  const { error } = await until(
    statuses,
    ({ deployment, state }) => deployment === 'd3' && state === 'failed',
  )
  t.regex(error?.message ?? '', /no plan fits.*w1/)
})

test('a supervisor - waits for a worker, and says so when none comes', async t => {
  const { start, puppet, ask, ends } = await supervising(t)
  const { supervisor } = await start('one', { workerWaitMs: 50 })
  await ask('d1')
  t.is(await ends('d1'), 'NO_WORKER')
  await supervisor.stop()
  await start('two')
  await ask('d2')
  await puppet('w1')
  t.is(await ends('d2'), 'ready')
})

test('a supervisor - a model that is none, or not the one that was named, is refused with a code', async t => {
  const { start, puppets, ask, ends } = await supervising(t)
  await start()
  await puppets(1)
  await ask('d1', {}, new TextEncoder().encode('no model'))
  t.is(await ends('d1'), 'MODEL_INVALID')
  await ask('d2', { model: { sha256: 'a'.repeat(64), bytes: 100, name: 'other.onnx' } })
  t.is(await ends('d2'), 'PART_CORRUPT')
  await ask('d3')
  t.is(await ends('d3'), 'ready')
})

test('a supervisor - what a worker could not load fails the deployment, and nothing stays assigned', async t => {
  const { start, puppet, ask, statuses, ends } = await supervising(t)
  await start()
  const [good, bad] = [
    await puppet('w1'),
    await puppet('w2', { state: 'failed', error: { code: 'ACTIVATION_FAILED', message: 'no memory' } }),
  ]
  await ask('d1', { partitions: 2 })
  t.is(await ends('d1'), 'ACTIVATION_FAILED')
  t.is((await until(statuses, ({ state }) => state === 'failed')).error?.message, 'no memory')
  await inTurns(() => good.desired.length + bad.desired.length === 0)
})

test('a supervisor - a worker that dies while it loads, or takes too long, fails the deployment', async t => {
  const { start, puppet, ask, statuses, ends } = await supervising(t)
  await start()
  const slow = await puppet('w1', { state: 'loading' })
  await ask('d1', { deployTimeoutMs: 100 })
  t.is(await ends('d1'), 'DEPLOY_TIMEOUT')
  await ask('d2')
  await until(statuses, ({ deployment, state }) => deployment === 'd2' && state === 'loading')
  await inTurns(() => slow.desired.length === 1)
  await slow.die()
  t.is(await ends('d2'), 'WORKER_LOST')
})

test('a supervisor - a pipeline is degraded while a worker of it is gone', async t => {
  const { start, puppets, ask, statuses, ends, puppet } = await supervising(t)
  await start()
  const [, second] = await puppets(2)
  await ask('d1', { partitions: 2 })
  t.is(await ends('d1'), 'ready')
  await second?.die()
  const degraded = await until(statuses, ({ state }) => state === 'degraded')
  t.like(degraded, { pipeline: 'p', deployment: 'd1', epoch: 1, error: { code: 'WORKER_LOST' } })
  t.regex(degraded.error?.message ?? '', /'w2'.*stage 1/)
  await puppet('w2')
  const states: string[] = []
  statuses.subscribe(({ state }) => states.push(state))
  await inTurns(() => states.at(-1) === 'ready')
})

test('a supervisor - a worker that falls silent counts as gone', async t => {
  const { start, puppets, ask, statuses, ends } = await supervising(t)
  await start('one', { deadAfterMs: 2_000 })
  const [worker] = await puppets(1)
  await ask('d1')
  t.is(await ends('d1'), 'ready')
  worker?.fallSilent()
  const { error } = await until(statuses, ({ state }) => state === 'degraded')
  t.is(error?.code, 'WORKER_LOST')
})

test('a supervisor - a stage that its worker gave up makes the pipeline degraded', async t => {
  const { start, puppets, ask, statuses, ends } = await supervising(t)
  await start()
  const [worker] = await puppets(1)
  await ask('d1')
  t.is(await ends('d1'), 'ready')
  await worker?.give({ state: 'failed', error: { code: 'RUNTIME_CRASHED', message: 'too often' } })
  const { error } = await until(statuses, ({ state }) => state === 'degraded')
  t.is(error?.code, 'RUNTIME_CRASHED')
})

test('a supervisor - a new deployment takes the place of the old one, under a higher epoch', async t => {
  const { start, puppets, ask, plans, ends } = await supervising(t)
  await start()
  const workers = await puppets(2)
  await ask('d1', { partitions: 2 })
  t.is(await ends('d1'), 'ready')
  await ask('d2', { partitions: 1 })
  t.is(await ends('d2'), 'ready')
  const plan = await until(plans, ({ deployment }) => deployment === 'd2')
  t.is(plan.epoch, 2)
  await inTurns(() => workers.every(({ desired }) => desired.every(({ epoch }) => epoch === 2)))
  t.deepEqual(
    workers.map(({ desired }) => desired.length),
    [1, 0],
  )
})

test('a supervisor - a deployment that is replaced before it is ready leaves nothing', async t => {
  const { start, puppet, ask, ends, statuses } = await supervising(t)
  await start()
  const slow = await puppet('w1', { state: 'loading' })
  await ask('d1')
  await inTurns(() => slow.desired.length === 1)
  await slow.die()
  await puppet('w1')
  const states: string[] = []
  statuses.subscribe(({ deployment, state }) => states.push(`${deployment} ${state}`))
  await ask('d2')
  t.is(await ends('d2'), 'ready')
  t.false(states.includes('d1 ready'))
})

test('a supervisor - taking a pipeline down takes back all that was retained for it', async t => {
  const { broker, start, user, puppets, ask, ends } = await supervising(t)
  await start()
  const workers = await puppets(2)
  await ask('d1', { partitions: 2 })
  t.is(await ends('d1'), 'ready')
  const gone = await listen(user, pipeline.statuses)
  await user.publish(pipeline.spec('p'), new Uint8Array(), { qos: 1, retain: true })
  await until(gone, ({ payload }) => payload.byteLength === 0)
  await inTurns(() => workers.every(({ desired }) => desired.length === 0))
  // Birth and actual state of each worker, and the leader.
  await inTurns(() => broker.metrics().retainedMessages === 5)
})

test('a supervisor - its successor knows from retained messages what is in force, and does not do it again', async t => {
  const { start, user, puppets, ask, statuses, plans, ends } = await supervising(t)
  const first = await start('one')
  const workers = await puppets(2)
  await ask('d1', { partitions: 2 })
  t.is(await ends('d1'), 'ready')
  await first.supervisor.stop()
  await first.own.close()
  const { supervisor } = await start('two')
  t.is(supervisor.term, first.supervisor.term + 1)
  await workers[1]?.die()
  await until(statuses, ({ state }) => state === 'degraded')
  const all: Plan[] = []
  plans.subscribe(plan => all.push(plan))
  t.is(all.length, 1)
  const gone = await listen(user, pipeline.plans)
  await user.publish(pipeline.spec('p'), new Uint8Array(), { qos: 1, retain: true })
  await until(gone, ({ payload }) => payload.byteLength === 0)
  await inTurns(() => workers.every(({ desired }) => desired.length === 0))
})

test('a supervisor - its successor carries out what it left half done, and takes back what that had assigned', async t => {
  const { bus, user, start, ask, puppets, plans, ends } = await supervising(t)
  const stale = {
    ...{ pipeline: 'p', epoch: 4, stage: 0, replica: 0, term: 1, receives: [], carries: [], sends: [] },
    ...{ part: { sha256: 'a'.repeat(64), bytes: 1 }, inboxFrames: 1, lz4: 'never' },
    inbox: { topic: TOPICS.data.stage('p', 4, 0, 0) },
  }
  const retain = (topic: string, message: unknown) =>
    bus.publish(topic, encodeControl(message), { qos: 1, retain: true })
  await retain(TOPICS.supervisor.leader, { term: 1, supervisor: 'zero' })
  await retain(worker.desired('w1'), { term: 1, activations: [stale] })
  await ask('d1', { partitions: 2 })
  await retain(pipeline.status('p'), { pipeline: 'p', deployment: 'd1', state: 'loading', epoch: 4 })
  const workers = await puppets(2)
  await start('one')
  t.is(await ends('d1'), 'ready')
  const plan = await until(plans)
  t.true(plan.epoch > 4)
  await inTurns(() => workers.every(({ desired }) => desired.every(({ epoch }) => epoch === plan.epoch)))
  t.deepEqual(
    workers.map(({ desired }) => desired.length),
    [1, 1],
  )
  t.is((await until(await hear(user, TOPICS.supervisor.leader, Leader))).term, 2)
})

test('a supervisor - its successor does not try again what has failed', async t => {
  const { bus, start, ask, puppets, statuses, ends } = await supervising(t)
  await ask('d1')
  const failed = {
    pipeline: 'p',
    deployment: 'd1',
    state: 'failed',
    epoch: 7,
    error: { code: 'NO_WORKER', message: '' },
  }
  await bus.publish(pipeline.status('p'), encodeControl(failed), { qos: 1, retain: true })
  await puppets(1)
  await start('one')
  await ask('d2')
  t.is(await ends('d2'), 'ready')
  const d1: string[] = []
  statuses.subscribe(({ deployment, state }) => deployment === 'd1' && d1.push(state))
  t.deepEqual(d1, ['failed'])
  t.true((await until(statuses, ({ deployment }) => deployment === 'd2')).epoch > 7)
})

test('a supervisor - leads until its connection is lost or another leads, and does nothing after', async t => {
  const { start, ask, puppets, plans, ends } = await supervising(t)
  const first = await start('one')
  const second = await start('two')
  t.is((await first.supervisor.ended)?.code, 'BUS_DISCONNECTED')
  t.is(second.supervisor.term, 2)
  await puppets(1)
  await ask('d1')
  t.is(await ends('d1'), 'ready')
  t.is((await until(plans)).term, 2)
})

test('a supervisor - that is stopped does nothing more, though its connection is there', async t => {
  const { start, ask, puppets, statuses } = await supervising(t)
  const { supervisor, own } = await start('one')
  await supervisor.stop()
  t.is(await supervisor.ended, undefined)
  await puppets(1)
  const heard: PipelineStatus[] = []
  statuses.subscribe(status => heard.push(status))
  const specs = await listen(own, pipeline.specs)
  await ask('d1')
  await until(specs)
  await settled()
  await own.publish(
    pipeline.status('q'),
    encodeControl({ pipeline: 'q', deployment: 'q', state: 'ready', epoch: 1 }),
    { qos: 1, retain: true },
  )
  await until(statuses, ({ pipeline }) => pipeline === 'q')
  t.deepEqual(
    heard.map(({ pipeline }) => pipeline),
    ['q'],
  )
})

test('a supervisor - stops at once while a deployment waits for workers, or loads', async t => {
  const { start, ask, puppet, statuses, troubles } = await supervising(t)
  const first = await start('one', { workerWaitMs: 600_000 })
  await ask('d1')
  await until(statuses, ({ state }) => state === 'planning')
  await first.supervisor.stop()
  await first.own.close()
  const second = await start('two')
  await puppet('w1', { state: 'loading' })
  await until(statuses.pipe(filter(({ state }) => state === 'loading')))
  await second.supervisor.stop()
  t.deepEqual(troubles, [])
})

test('a supervisor - a message that nobody can read, or of another shape, changes nothing', async t => {
  const { bus, start, ask, puppets, ends, troubles } = await supervising(t)
  await start('one')
  const topics = [
    ...[worker.birth('w9'), worker.beat('w9'), worker.actual('w9'), worker.desired('w9')],
    ...[worker.death('w9', 1), pipeline.spec('q'), pipeline.plan('q'), pipeline.status('q')],
  ]
  for (const topic of topics) {
    await bus.publish(topic, new Uint8Array([0xff, 0]), { qos: 1 })
    await bus.publish(topic, encodeControl({ term: 'x', activations: 7 }), { qos: 1 })
  }
  await puppets(1)
  await ask('d1')
  t.is(await ends('d1'), 'ready')
  t.deepEqual(troubles, [])
})

test('a supervisor - one that finds no broker any more says so', async t => {
  const { connect } = await testBroker(t)
  const bus = await connect('gone')
  await bus.close()
  const store = await testStore(t)
  const parts = { id: 'one', bus, topics: TOPICS, store, onTrouble: () => {} }
  t.is(await rejection(Supervisor.start(parts, parseOptions(supervisorOptions, {}, 'test'))), 'BUS_CLOSED')
})

test('a supervisor - keeps the parts of pipelines in force, as does its successor, and refuses a model without room', async t => {
  const { ask, ends, start, puppets, plans, statuses } = await supervising(t)
  const folder = await testFolder(t)
  const limitBytes = 2 ** 16
  const first = await start('one', {}, await testStore(t, { folder, limitBytes }))
  const workers = await puppets(2)
  await ask('d1', { partitions: 2 })
  t.is(await ends('d1'), 'ready')
  const { model } = await until(plans)
  const live = [model, ...workers.flatMap(({ desired }) => desired.map(({ part }) => part))]
  for (const { sha256 } of live) await utimes(first.store.pathOf(sha256), 1, 1)
  await first.supervisor.stop()
  await first.store.close()
  const { store } = await start('two', {}, await testStore(t, { folder, limitBytes }))
  // Leaves less room than its own parts will need.
  await store.put(new Uint8Array(limitBytes - live.reduce((sum, { bytes }) => sum + bytes, 0) - 10))
  const others = doubler(7)
  await ask('d2', { partitions: 2 }, others)
  t.is(await ends('d2'), 'ready')
  for (const part of live) t.true(await store.has(part), 'the model before stays until the next is in force')
  const large = doubler(3_000)
  await ask('d3', {}, large)
  const failed = await until(statuses, ({ deployment, state }) => deployment === 'd3' && state === 'failed')
  t.is(failed.error?.code, 'CACHE_FULL')
  t.regex(failed.error?.message ?? '', /--cache-limit-mib/)
  for (const { desired } of workers) for (const { part } of desired) t.true(await store.has(part))
})
