import test from 'ava'
import { startBroker } from '../../../broker/index.js'
import { CliRun, millrace } from '../../support/cli.js'
import { inCheckout } from '../../support/index.js'

const DIGITS = inCheckout('examples/digits/digits.onnx')
const HELD_OUT = inCheckout('examples/digits/held-out.json')

interface Summary {
  readonly fps: number
  readonly latencyMs: { readonly p50: number; readonly p99: number }
  readonly frames: Record<string, number>
  readonly accuracy?: number
  readonly verify: { readonly checked: number; readonly maxRelativeError?: number; readonly refused?: string }
  readonly bytesPerFrame: number
  readonly recoveries: readonly unknown[]
  readonly stages: readonly { readonly stage: number; readonly worker: string }[]
  readonly planned: { readonly fps: number; readonly unused: readonly string[] }
}

const LOSSLESS = { dropped: 0, failed: 0, duplicates: 0, misordered: 0 }

test.serial('run - classifies the held-out digits over four workers as the uncut model does', async t => {
  const ended = await millrace([
    'run',
    DIGITS,
    '--dataset',
    HELD_OUT,
    '--workers',
    '4',
    '--partitions',
    '4',
    '--json',
  ])
  t.is(ended.status, 0, ended.stderr)
  const summary = JSON.parse(ended.stdout) as Summary
  t.deepEqual(summary.frames, { admitted: 360, predicted: 360, ...LOSSLESS })
  t.true((summary.accuracy ?? 0) >= 0.97)
  t.is(summary.verify.checked, 20)
  t.true((summary.verify.maxRelativeError ?? 1) <= 1e-4)
  t.deepEqual(summary.stages.map(({ worker }) => worker).sort(), ['w1', 'w2', 'w3', 'w4'])
  t.true(summary.fps > 0 && summary.latencyMs.p99 >= summary.latencyMs.p50 && summary.bytesPerFrame > 0)
  t.deepEqual(summary.recoveries, [])
  t.deepEqual([ended.processes, ended.files], [[], []])
})

test.serial('run - prints a table of the partitions and a summary for people', async t => {
  const args = ['run', DIGITS, '--dataset', HELD_OUT, '--frames', '30', '--workers', '2', '--partitions', '2']
  const { status, stdout, stderr } = await millrace(args)
  t.is(status, 0, stderr)
  t.regex(stdout, /^stage +worker +operators +weights +bytes out +ms +memory +link$/m)
  t.regex(stdout, /^ +0 +w1 +\d+ +\d+ +\d+ +[\d.]+ +[\d.]+ MB +peer$/m)
  t.regex(stdout, /^ +1 +w2 +\d+ +\d+ +40 +[\d.]+ +[\d.]+ MB +broker$/m)
  t.regex(stdout, /^frames +30 predicted of 30 admitted/m)
  t.regex(stdout, /^predicted +[\d.]+ fps, .*slowest is w\d, /m)
  t.regex(stdout, /^accuracy +[\d.]+ %/m)
  t.regex(stdout, /^verified +20 frames/m)
})

test.serial("run - leaves nothing on somebody else's broker", async t => {
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  const ended = await millrace(['run', DIGITS, '--workers', '2', '--broker', broker.url, '--json'])
  t.is(ended.status, 0, ended.stderr)
  const { frames, verify, stages, planned } = JSON.parse(ended.stdout) as Summary
  t.deepEqual(frames, { admitted: 40, predicted: 40, ...LOSSLESS })
  // Whether so small a network is worth both workers, the plan says.
  t.is(new Set(stages.map(({ worker }) => worker)).size + planned.unused.length, 2)
  t.true(planned.fps > 0)
  t.true((verify.maxRelativeError ?? 1) <= 1e-4)
  t.is(broker.metrics().retainedMessages, 0)
  t.deepEqual([ended.processes, ended.files], [[], []])
})

test.serial('run - with LZ4 and more partitions than workers gives the same answers', async t => {
  const args = [
    'run',
    DIGITS,
    '--workers',
    '2',
    '--partitions',
    '5',
    '--lz4',
    'always',
    '--frames',
    '30',
    '--json',
  ]
  const { status, stdout, stderr } = await millrace(args)
  t.is(status, 0, stderr)
  const { frames, verify, stages } = JSON.parse(stdout) as Summary
  t.deepEqual(frames, { admitted: 30, predicted: 30, ...LOSSLESS })
  t.true((verify.maxRelativeError ?? 1) <= 1e-4)
  t.deepEqual(
    stages.map(({ worker }) => worker),
    ['w1', 'w1', 'w1', 'w2', 'w2'],
  )
})

test.serial('run - refuses to compare answers when all frames are alike', async t => {
  const path = inCheckout('../shared/models/light_squeezenet.onnx')
  const { status, stdout, stderr } = await millrace([
    'run',
    path,
    '--workers',
    '1',
    '--frames',
    '4',
    '--json',
  ])
  if (stderr.includes('MODEL_NOT_FOUND') || stdout.includes('MODEL_NOT_FOUND')) {
    t.pass()
    return t.log('the shared models are absent')
  }
  t.is(status, 0, stderr)
  const { verify } = JSON.parse(stdout) as Summary
  t.is(verify.checked, 0)
  t.regex(verify.refused ?? '', /equal answers prove nothing/)
})

test.serial('run - fails when a worker dies', async t => {
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  const bus = await broker.connect({ clientId: 'test' })
  t.teardown(() => bus.close())
  const args = ['run', DIGITS, '--workers', '2', '--partitions', '2', '--frames', '1000000']
  const run = new CliRun([...args, '--broker', broker.url])
  let killed = false
  await bus.subscribe('#', ({ topic }) => {
    if (killed || !topic.includes('/data/')) return
    killed = true
    const [worker] = run.descendants('worker --id w2')
    if (worker !== undefined) process.kill(worker, 'SIGKILL')
  })
  const ended = await run.ended
  t.true(killed)
  t.is(ended.status, 1)
  t.regex(ended.stderr, /^error WORKER_LOST: .*w2/m)
  t.deepEqual([ended.processes, ended.files], [[], []])
})
