import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { serveParts } from '../../../actors/model-store/index.js'
import { Actual, Beat, Birth, Death, encodeControl } from '../../../core/control/index.js'
import {
  adder,
  hear,
  inTurns,
  listen,
  testBroker,
  testFolder,
  testStore,
  TOPICS,
  until,
} from '../../support/actors.js'
import { inCheckout } from '../../support/index.js'

const { worker } = TOPICS

/** A worker as a user starts it, its files in a folder of the test's. */
async function startWorker(t: ExecutionContext) {
  const { broker, connect } = await testBroker(t)
  const [bus, temporary] = [await connect('others'), await testFolder(t)]
  const held = await testStore(t)
  const part = await held.put(adder(1))
  await serveParts(
    bus,
    TOPICS,
    (sha256, offset, length) => held.read(sha256, offset, length),
    () => {},
  )
  const args = ['worker', '--broker', broker.url, '--id', 'w1', '--heartbeat-ms', '50']
  const child = fork(inCheckout('dist/actors/bin/millrace.js'), args, {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, TMPDIR: temporary },
  })
  t.teardown(() => child.kill('SIGKILL'))
  const births = await hear(bus, worker.births, Birth)
  const [birth, actuals] = [await until(births), await hear(bus, worker.actuals, Actual)]
  const activation = {
    ...{ pipeline: 'p', epoch: 1, stage: 0, replica: 0, term: 1, part, receives: ['x'], carries: [] },
    ...{ sends: ['sum'], inbox: { topic: TOPICS.data.stage('p', 1, 0, 0) }, inboxFrames: 1, lz4: 'never' },
  }
  const desired = encodeControl({ term: 1, activations: [activation] })
  await bus.publish(worker.desired('w1'), desired, { qos: 1, retain: true })
  await until(actuals, isIn('ready'))
  return { bus, birth, child, temporary }
}

function isIn(state: string): (actual: Actual) => boolean {
  return ({ activations }) => activations[0]?.state === state
}

/** The processes that `child` has started; undefined where the system does not tell. */
function childrenOf({ pid }: ChildProcess): number[] | undefined {
  const path = `/proc/${pid}/task/${pid}/children`
  if (!existsSync(path)) return undefined
  return readFileSync(path, 'utf8').trim().split(' ').filter(Boolean).map(Number)
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('a worker process - that is asked to stop leaves no process and no file, and says farewell', async t => {
  const { bus, birth, child, temporary } = await startWorker(t)
  const runtimes = childrenOf(child)
  const deaths = await hear(bus, worker.deaths, Death)
  t.is(readdirSync(temporary).length, 1)
  child.kill('SIGTERM')
  await once(child, 'exit')
  t.is(child.signalCode, null)
  t.deepEqual(await until(deaths), { incarnation: birth.incarnation })
  t.deepEqual(readdirSync(temporary), [])
  if (runtimes === undefined) return t.log('this system does not tell child processes')
  t.is(runtimes.length, 1)
  t.false(runtimes.some(isRunning))
})

test('a worker process - that is killed is declared dead at once by its will, which is not retained', async t => {
  const { bus, birth, child } = await startWorker(t)
  const runtimes = childrenOf(child) ?? []
  const deaths = await listen(bus, worker.deaths, 1)
  child.kill('SIGKILL')
  const death = await until(deaths)
  t.is(death.topic, worker.death('w1', birth.incarnation))
  t.deepEqual(Death.parse(JSON.parse(new TextDecoder().decode(death.payload))), {
    incarnation: birth.incarnation,
  })
  const later = await listen(bus, worker.deaths, 1)
  await bus.publish(worker.death('mark', 0), encodeControl({ incarnation: 0 }), { qos: 1 })
  t.is((await until(later)).topic, worker.death('mark', 0))
  t.true((await until(await listen(bus, worker.births))).retained)
  await inTurns(() => !runtimes.some(isRunning))
})

test('a worker process - notices that its runtime was killed, reports it, and starts another', async t => {
  const { bus, child } = await startWorker(t)
  const [runtime] = childrenOf(child) ?? []
  if (runtime === undefined) return t.log('this system does not tell child processes')
  const actuals = await hear(bus, worker.actuals, Actual)
  process.kill(runtime, 'SIGKILL')
  const failed = await until(actuals, isIn('failed'))
  t.is(failed.activations[0]?.error?.code, 'RUNTIME_CRASHED')
  const later = await hear(bus, worker.actuals, Actual)
  await until(later, isIn('ready'))
  t.not(childrenOf(child)?.[0], runtime)
  const beats = await hear(bus, worker.beats, Beat)
  await until(beats, ({ actors }) => actors.length === 1)
})

test('a worker process - goes on beating while it measures its speed, and then says it', async t => {
  t.timeout(120_000)
  const { broker, connect } = await testBroker(t)
  const bus = await connect('others')
  const [births, beats] = [await hear(bus, worker.births, Birth), await hear(bus, worker.beats, Beat)]
  const caches = await testFolder(t)
  const run = async (id: string) => {
    const args = ['worker', '--broker', broker.url, '--id', id, '--heartbeat-ms', '20']
    const child = fork(inCheckout('dist/actors/bin/millrace.js'), args, {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: { ...process.env, MILLRACE_BENCHMARK: 'on', XDG_CACHE_HOME: caches, TMPDIR: await testFolder(t) },
    })
    t.teardown(() => child.kill('SIGKILL'))
    const { speed } = await until(births, birth => birth.worker === id && birth.speed !== undefined)
    child.kill('SIGTERM')
    await once(child, 'exit')
    return speed
  }
  let [isBorn, meanwhile] = [false, 0]
  births.subscribe(birth => (isBorn ||= birth.speed === undefined))
  const counting = beats.subscribe(() => (meanwhile += isBorn ? 1 : 0))
  const speed = await run('w1')
  counting.unsubscribe()
  t.true((speed?.convGflops ?? 0) > 0 && (speed?.matmulGflops ?? 0) > 0)
  // It takes 300 ms at least.
  t.true(meanwhile >= 4, `${meanwhile} beats`)
  t.deepEqual(await run('w2'), speed, 'the figure is kept for the next worker of the machine')
})
