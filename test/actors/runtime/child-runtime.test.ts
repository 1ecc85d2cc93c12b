import { type ChildProcess, fork, spawn } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import { map, skip } from 'rxjs'
import { type RuntimeSettings } from '../../../actors/bin/runtime-settings.js'
import { ChildRuntime, type SpawnRuntime } from '../../../actors/runtime/index.js'
import { decodeEnvelope, encodeEnvelope } from '../../../core/codec/index.js'
import { type Activation } from '../../../core/control/index.js'
import {
  adder,
  inTurns,
  listen,
  modelFile,
  numbersOf,
  plodder,
  rejection,
  row,
  testBroker,
} from '../../support/actors.js'
import { TOPICS, until } from '../../support/actors.js'
import { inCheckout } from '../../support/index.js'
import { POISONOUS } from '../../support/poisoned-runtime.js'

const RUNTIME = 'dist/actors/bin/runtime.js'
const LIMITS = { startTimeoutMs: 60_000, stopTimeoutMs: 60_000, progressMs: 20, stallMs: 0 }
const INBOX = TOPICS.data.stage('p', 1, 0, 0)
const KEY = 'p/1/0/0'
const ACTIVATION: Activation = {
  pipeline: 'p',
  epoch: 1,
  stage: 0,
  replica: 0,
  term: 1,
  part: { sha256: '0'.repeat(64), bytes: 1 },
  receives: ['x'],
  carries: [],
  sends: ['sum'],
  inbox: { topic: INBOX },
  inboxFrames: 4,
  lz4: 'never',
}

/** @param children  what it starts */
function forking(
  t: ExecutionContext,
  broker: string,
  file = RUNTIME,
  children: ChildProcess[] = [],
): SpawnRuntime {
  const inbox = { host: '127.0.0.1', port: 0, orAnother: false }
  const settings: RuntimeSettings = { id: 'w1', broker, progressMs: 20, inbox, connect: {} }
  return notes => {
    const child = fork(inCheckout(file), [], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc', notes],
      env: { ...process.env, MILLRACE_RUNTIME: JSON.stringify(settings) },
    })
    t.teardown(() => child.kill('SIGKILL'))
    children.push(child)
    return child
  }
}

async function launch(t: ExecutionContext, broker: string, file = RUNTIME, limits = LIMITS) {
  const children: ChildProcess[] = []
  const runtime = await ChildRuntime.start(forking(t, broker, file, children), limits)
  const [child] = children
  if (child === undefined) throw new Error('no process was started')
  return { runtime, child }
}

async function start(t: ExecutionContext, file = RUNTIME) {
  const { broker, connect } = await testBroker(t)
  return { ...(await launch(t, broker.url, file)), connect }
}

function frame(sequence = 0): Uint8Array {
  const identity = { dispatcher: 'door', stream: 'camera', sequence }
  const header = { ...identity, epoch: 1, stage: 0, turn: 0, admittedAt: 1, timings: [] }
  return encodeEnvelope({ header, tensors: { x: row(1, 2) } })
}

test('a runtime process - runs actors, tells how far they are, and ends when it is told to', async t => {
  const { runtime, child, connect } = await start(t)
  await runtime.activate(ACTIVATION, await modelFile(t, adder(1)))
  t.is(await rejection(runtime.activate(ACTIVATION, await modelFile(t, adder(1)))), 'ACTIVATION_FAILED')
  const bus = await connect('door')
  const results = await listen(bus, TOPICS.data.results('p', 'door'))
  await bus.publish(INBOX, frame())
  const { tensors } = await until(results.pipe(map(({ payload }) => decodeEnvelope(payload))))
  t.deepEqual(numbersOf(tensors, 'sum'), [2, 3])
  await inTurns(() => runtime.progress().some(({ frames }) => frames === 1))
  await runtime.passivate(KEY)
  await inTurns(() => runtime.progress().length === 0)
  await runtime.stop()
  await runtime.stop()
  t.is(await runtime.ended, undefined)
  t.is(child.exitCode, 0)
})

test('a runtime process - rehearses what it loads where that is asked for, and tells how long a run takes', async t => {
  const { runtime } = await start(t)
  const rehearse = [{ name: 'x', dtype: 'float32' as const, dims: [1, 2] }]
  const { runMs = 0 } = await runtime.activate({ ...ACTIVATION, rehearse }, await modelFile(t, adder(1)))
  t.true(runMs > 0)
  const other = { ...ACTIVATION, epoch: 2 }
  t.is((await runtime.activate(other, await modelFile(t, adder(1)))).runMs, undefined)
  await runtime.stop()
})

test('a runtime process - a rehearsal that the model does not take keeps no actor from working', async t => {
  const { runtime } = await start(t)
  const rehearse = [{ name: 'x', dtype: 'float32' as const, dims: [3, 7] }]
  t.is((await runtime.activate({ ...ACTIVATION, rehearse }, await modelFile(t, adder(1)))).runMs, undefined)
  await runtime.stop()
})

test('a runtime process - says why a model cannot be loaded, and goes on', async t => {
  const { runtime } = await start(t)
  const bad = runtime.activate(ACTIVATION, await modelFile(t, new Uint8Array(20)))
  t.is(await rejection(bad), 'MODEL_INVALID')
  await runtime.activate(ACTIVATION, await modelFile(t, adder(1)))
  await runtime.stop()
})

test('a runtime process - tells the trouble of its actors', async t => {
  const { runtime, connect } = await start(t)
  await runtime.activate(ACTIVATION, await modelFile(t, adder(1)))
  const trouble = until(runtime.trouble$)
  await (await connect('door')).publish(INBOX, new Uint8Array(5))
  t.is((await trouble).code, 'ENVELOPE_INVALID')
  await runtime.stop()
})

test('a runtime process - a kill is noticed, and ends what was asked of it', async t => {
  const { runtime, child } = await start(t)
  child.kill('SIGSTOP')
  const asked = rejection(runtime.activate(ACTIVATION, await modelFile(t, adder(1))))
  child.kill('SIGKILL')
  const error = await runtime.ended
  t.is(error?.code, 'RUNTIME_CRASHED')
  t.true(error?.message.includes('SIGKILL'))
  t.is(await asked, 'RUNTIME_CRASHED')
  t.is(await rejection(runtime.passivate(KEY)), 'RUNTIME_CRASHED')
  t.deepEqual(runtime.progress(), [])
  await runtime.stop()
})

test('a runtime process - one that gives no sign of life is killed, and it is said', async t => {
  const { broker } = await testBroker(t)
  const { runtime, child } = await launch(t, broker.url, RUNTIME, { ...LIMITS, stallMs: 1_000 })
  await inTurns(() => runtime.usage().cpuMs > 0)
  child.kill('SIGSTOP')
  const error = await runtime.ended
  t.is(error?.code, 'RUNTIME_CRASHED')
  t.regex(error?.message ?? '', /no sign of life/)
  t.is(child.signalCode, 'SIGKILL')
})

test('a runtime process - that a frame kills has said which, and which have left', async t => {
  const { runtime, connect } = await start(t, 'dist/test/support/poisoned-runtime.js')
  await runtime.activate(ACTIVATION, await modelFile(t, adder(1)))
  const bus = await connect('door')
  const results = await listen(bus, TOPICS.data.results('p', 'door'))
  for (const sequence of [0, 1]) await bus.publish(INBOX, frame(sequence))
  await until(results.pipe(skip(1)))
  await inTurns(() => runtime.inThreads().length === 0)
  await bus.publish(INBOX, frame(POISONOUS))
  t.is((await runtime.ended)?.code, 'RUNTIME_CRASHED')
  const named = { pipeline: 'p', epoch: 1, dispatcher: 'door', stream: 'camera', sequence: POISONOUS }
  t.deepEqual(runtime.inThreads(), [named])
})

test('a runtime process - a kill names the frames that are in its threads, and none that waits', async t => {
  const { runtime, child, connect } = await start(t)
  await runtime.activate({ ...ACTIVATION, sends: ['y'] }, await modelFile(t, plodder(50)))
  const bus = await connect('door')
  for (const sequence of [0, 1, 2]) await bus.publish(INBOX, frame(sequence))
  await inTurns(() => runtime.progress().some(({ waiting }) => waiting === 3))
  child.kill('SIGKILL')
  await runtime.ended
  t.deepEqual(
    runtime.inThreads().map(({ sequence }) => sequence),
    [0, 1],
  )
})

test('a runtime process - one that does not stop in time is killed', async t => {
  const { broker } = await testBroker(t)
  const { runtime, child } = await launch(t, broker.url, RUNTIME, { ...LIMITS, stopTimeoutMs: 50 })
  child.kill('SIGSTOP')
  await runtime.stop()
  t.is(child.signalCode, 'SIGKILL')
  t.is(await runtime.ended, undefined)
})

test('a runtime process - ends with its agent, also during a run', async t => {
  const { runtime, child, connect } = await start(t)
  await runtime.activate({ ...ACTIVATION, sends: ['y'] }, await modelFile(t, plodder(50)))
  await (await connect('door')).publish(INBOX, frame())
  await inTurns(() => runtime.progress().some(({ waiting }) => waiting === 1))
  child.disconnect()
  await runtime.ended
  t.is(child.signalCode, 'SIGKILL')
})

test('a runtime process - one that cannot start says why, and is gone', async t => {
  const { broker } = await testBroker(t)
  const { url } = broker
  await broker.close()
  t.is(await rejection(ChildRuntime.start(forking(t, url), LIMITS)), 'BROKER_UNREACHABLE')
  const silent = () => spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  const late = ChildRuntime.start(silent, { ...LIMITS, startTimeoutMs: 50 })
  await t.throwsAsync(late, { code: 'RUNTIME_CRASHED', message: /50 ms/ })
  const dying = () => spawn(process.execPath, ['-e', 'process.exit(3)'], { stdio: 'ignore' })
  await t.throwsAsync(ChildRuntime.start(dying, LIMITS), { code: 'RUNTIME_CRASHED', message: /exit code 3/ })
  const absent = () => spawn('/nowhere/node', { stdio: 'ignore' })
  await t.throwsAsync(ChildRuntime.start(absent, LIMITS), { code: 'RUNTIME_CRASHED', message: /ENOENT/ })
})
