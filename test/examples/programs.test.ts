import anyTest, { type ExecutionContext } from 'ava'
import { inTurns, testBroker } from '../support/actors.js'
import { CliRun, type Ended } from '../support/cli.js'
import { inCheckout } from '../support/index.js'
import { hasMosquitto } from '../support/mosquitto.js'
import { freePort } from '../support/ports.js'

// Each starts a cluster: one after the other, or they are late.
const test = anyTest.serial

function program(name: string, env: NodeJS.ProcessEnv = {}, args: readonly string[] = []): CliRun {
  return new CliRun(args, { BROKER: undefined, ...env }, inCheckout(`dist/examples/${name}.js`))
}

function assertNothingLeft(t: ExecutionContext, { processes, files }: Ended): void {
  t.deepEqual(processes, [])
  t.deepEqual(files, [])
}

/** The URL of no broker. */
async function deadBroker(): Promise<string> {
  return `mqtt://127.0.0.1:${await freePort()}`
}

test('example 01 - reads the digits in one process, drops what a camera pushes too fast, and ends', async t => {
  const ended = await program('01-one-process/main').ended
  t.is(ended.status, 0, ended.stderr)
  t.is(ended.stderr, '')
  t.regex(ended.stdout, /read (\d), is \1 /)
  t.regex(ended.stdout, /^held-out: 35\d of 360 digits read right$/m)
  t.regex(ended.stdout, /^latency: \d+ ms \(median\), \d+ ms \(longest\)$/m)
  t.regex(ended.stdout, /^camera: of 360 frames \d+ predicted, [1-9]\d* dropped, 0 failed; .* \d+ ms old$/m)
  assertNothingLeft(t, ended)
})

test('example 02 - reads them with processes on Mosquitto, and loses no frame with a lost worker', async t => {
  if (!hasMosquitto()) return t.log('mosquitto is not installed: skipped')
  const ended = await program('02-separate-processes/main').ended
  t.is(ended.status, 0, ended.stderr)
  // A frame that was just leaving for the lost worker, and is sent again.
  t.regex(ended.stderr, /^(warning BUS_DISCONNECTED: .*\n)*$/)
  t.regex(ended.stdout, /^held-out: 35\d of 360 digits read right$/m)
  for (const [stage, worker] of ['w1', 'w2', 'w3', 'w4'].entries()) {
    t.regex(ended.stdout, new RegExp(`^${worker} +alive .* digits/${stage}$`, 'm'))
    t.regex(ended.stdout, new RegExp(`^digits/${stage} +${worker} .* (peer|broker)$`, 'm'))
  }
  // Where the machine is busy, `status` may have heard nothing of its frames yet.
  t.regex(ended.stdout, /^digits +ready +1 .* (360 +0|- +-)$/m)
  t.regex(ended.stdout, /^killed w2, degraded after \d+ ms: WORKER_LOST, .*'w2', of stage 1, is gone$/m)
  t.regex(
    ended.stdout,
    /^epoch 2 after \d+ ms: stage 0 on w1, stage 1 on w[134], stage 2 on w3, stage 3 on w4$/m,
  )
  t.regex(ended.stdout, /^of 360 frames under way or sent then, 360 were predicted, in order, and 0 failed$/m)
  assertNothingLeft(t, ended)
})

test('example 02 - interrupted, even twice, leaves nothing behind, also on a broker that was given', async t => {
  const { broker } = await testBroker(t)
  const run = program('02-separate-processes/main', {}, [broker.url])
  await run.firstLine()
  t.true(broker.metrics().retainedMessages > 0)
  t.true(run.descendants('worker').length >= 4)
  run.signal('SIGINT')
  run.signal('SIGINT')
  const ended = await run.ended
  t.is(ended.status, 130)
  t.is(broker.metrics().retainedMessages, 0)
  assertNothingLeft(t, ended)
})

test('example 02 - without Mosquitto says what to do, and fails', async t => {
  const ended = await program('02-separate-processes/main', { MOSQUITTO: 'no-such-program' }).ended
  t.is(ended.status, 1)
  t.regex(ended.stderr, /^Mosquitto cannot be started.*apt-get install mosquitto.*BROKER=mqtt:/)
  assertNothingLeft(t, ended)
})

test('example 03 - publishes images with an MQTT client, and prints an answer for each', async t => {
  const ended = await program('03-sensor/main').ended
  t.is(ended.status, 0, ended.stderr)
  t.is(ended.stderr, '')
  t.is(ended.stdout.match(/^camera-[12], frame \d+: a \d \(\d+ ms\)$/gm)?.length, 100)
  t.regex(ended.stdout, /^camera-2, frame broken: FRAME_MALFORMED: .*neither JPEG nor PNG/m)
  t.regex(ended.stdout, /^camera-1: 47 of 50 digits read right$/m)
  assertNothingLeft(t, ended)
})

test('example 03 - interrupted, leaves nothing behind', async t => {
  const run = program('03-sensor/main')
  await run.firstLine()
  run.signal('SIGINT')
  const ended = await run.ended
  t.is(ended.status, 130)
  assertNothingLeft(t, ended)
})

test('running the examples - a failure is told with what it printed, and in the exit status', async t => {
  const ended = await program('run-all', { BROKER: await deadBroker() }, ['02']).ended
  t.is(ended.status, 1)
  t.regex(ended.stdout, /^not ok 02-separate-processes \(\d+\.\d s\)\n/)
  t.regex(ended.stdout, /BROKER_UNREACHABLE/)
  assertNothingLeft(t, ended)
})

test('running the examples - when it is stopped, the example that runs cleans up first', async t => {
  const { broker } = await testBroker(t)
  const run = program('run-all', { BROKER: broker.url }, ['02'])
  await inTurns(() => broker.metrics().retainedMessages > 0)
  run.signal('SIGTERM')
  const ended = await run.ended
  t.is(ended.status, 1)
  t.regex(ended.stdout, /^not ok 02-separate-processes \(\d+\.\d s, interrupted\)$/m)
  await inTurns(() => broker.metrics().retainedMessages === 0)
  assertNothingLeft(t, ended)
})

test('running the examples - has a line for each that went well', async t => {
  const ended = await program('run-all', {}, ['01']).ended
  t.is(ended.status, 0)
  t.regex(ended.stdout, /^ok 01-one-process \(\d+\.\d s\)\n$/)
  assertNothingLeft(t, ended)
})

test('running the examples - one that does not exist is refused', async t => {
  const ended = await program('run-all', {}, ['99']).ended
  t.is(ended.status, 2)
  t.regex(ended.stderr, /'99'.*01-one-process, 02-separate-processes, 03-sensor/)
})
