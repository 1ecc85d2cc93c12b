import { createHash } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import { filter, firstValueFrom, skip, take } from 'rxjs'
import { embedded, type Pipeline, type Prediction } from '../../config/index.js'
import { type DeployOptionsInput } from '../../actors/supervisor/index.js'
import { type Tensors } from '../../core/tensor.js'
import { isCanaryFrame } from '../../core/versions.js'
import { adder, numbersOf, rejection, row } from '../support/actors.js'

const [FIRST, SECOND, THIRD] = [adder(1), adder(2), adder(3)]
/** No frame is to be late where a machine is busy. */
const PATIENCE_MS = 600_000
const ADDED = new Map([FIRST, SECOND, THIRD].map((model, i) => [versionOf(model), i + 1]))

function versionOf(model: Uint8Array): string {
  return createHash('sha256').update(model).digest('hex').slice(0, 12)
}

/** A stream of numbered frames through a pipeline of the first version, until `stop`. */
async function streaming(t: ExecutionContext) {
  const cluster = await embedded({ workers: 2 })
  t.teardown(() => cluster.close())
  const deploy = (model: Uint8Array, options: DeployOptionsInput = {}) =>
    cluster.deploy(model, { name: 'p', partitions: 1, ...options })
  const pipeline = await deploy(FIRST)
  const given: Prediction[] = []
  let stopped = false
  function* frames(): Generator<Tensors> {
    for (let i = 0; !stopped; i++) yield { x: row(i, -i) }
  }
  const ended = new Promise<void>((resolve, reject) => {
    pipeline
      .pull(frames())
      .pipe(pipeline.infer({ deadlineMs: PATIENCE_MS }))
      .subscribe({ next: prediction => given.push(prediction), complete: resolve, error: reject })
  })
  await more(pipeline, 20)
  const stop = async () => {
    await more(pipeline, 20)
    stopped = true
    await ended
  }
  /** Of the versions that make predictions from the next frame to be admitted on, over so many. */
  const from = async (count: number) => {
    const { admitted } = pipeline.counts()
    await more(pipeline, admitted - given.length + count)
    return given.slice(admitted)
  }
  return { cluster, pipeline, given, deploy, stop, from }
}

/** Resolves when so many more predictions have been made. */
async function more(pipeline: Pipeline, count: number): Promise<void> {
  await firstValueFrom(pipeline.predictions$.pipe(skip(count - 1), take(1)))
}

/** Each frame once, in order, and with the value of the version that it names. */
function assertEachOnce(t: ExecutionContext, given: readonly Prediction[], pipeline: Pipeline): void {
  for (const [i, { sequence, version, outputs }] of given.entries()) {
    const more = ADDED.get(version) ?? NaN
    t.is(sequence, i)
    t.deepEqual(numbersOf(outputs, 'sum'), [i + more, -i + more])
  }
  const { admitted, predicted, duplicates } = pipeline.counts()
  t.deepEqual([predicted, duplicates], [admitted, 0])
}

/** Versions as numbers, without repetitions in a row. */
function orderOf(given: readonly Prediction[]): (number | undefined)[] {
  const versions = given.map(({ version }) => ADDED.get(version))
  return versions.filter((version, i) => version !== versions[i - 1])
}

function assertShared(t: ExecutionContext, given: readonly Prediction[], share: number): void {
  t.true(given.length > 0)
  for (const { sequence, version } of given) {
    t.is(ADDED.get(version), isCanaryFrame(sequence, share) ? 2 : 1, `frame ${sequence}`)
  }
}

test('a new version - takes over between two frames of a stream, and loses none', async t => {
  const { pipeline, given, deploy, stop } = await streaming(t)
  await deploy(SECOND)
  t.is((await firstValueFrom(pipeline.plan$)).handover, 'drain')
  await stop()
  assertEachOnce(t, given, pipeline)
  t.deepEqual(orderOf(given), [1, 2], 'once the new one has begun, the old one makes none')
})

test('a new version - that cannot be deployed leaves the old one as it was', async t => {
  const { pipeline, given, deploy, stop } = await streaming(t)
  t.is(await rejection(deploy(new TextEncoder().encode('no model'))), 'MODEL_INVALID')
  t.is(await rejection(deploy(adder(2, 'x', 'other'), { canary: 0.5 })), 'CANARY_REFUSED')
  await stop()
  assertEachOnce(t, given, pipeline)
  t.deepEqual(orderOf(given), [1])
})

test('a rollback - brings the version before back, once', async t => {
  const { cluster, pipeline, given, deploy, stop } = await streaming(t)
  t.is(await rejection(pipeline.rollback()), 'VERSION_NONE', 'there was only one')
  await deploy(SECOND)
  await deploy(THIRD)
  await more(pipeline, 20)
  await cluster.rollback('p')
  t.like(await firstValueFrom(pipeline.status$), { state: 'ready', reason: 'rolled back' })
  await more(pipeline, 20)
  t.is(await rejection(pipeline.rollback()), 'VERSION_NONE')
  t.is(await rejection(pipeline.promote()), 'VERSION_NONE')
  await stop()
  assertEachOnce(t, given, pipeline)
  t.deepEqual(orderOf(given), [1, 2, 3, 2])
})

test('a rollback - to a version that was deployed again means the one before that', async t => {
  const { pipeline, given, deploy, stop } = await streaming(t)
  await deploy(SECOND)
  await deploy(SECOND, { partitions: 1, window: 3 })
  await pipeline.rollback()
  await stop()
  assertEachOnce(t, given, pipeline)
  t.deepEqual(orderOf(given), [1, 2, 1])
})

test('a canary - takes its share of the frames, another when that changes, and none after a rollback', async t => {
  const { pipeline, given, deploy, stop, from } = await streaming(t)
  await deploy(SECOND, { canary: 0.1 })
  assertShared(t, await from(60), 0.1)
  const before = await firstValueFrom(pipeline.plan$)
  await deploy(SECOND, { canary: 0.5 })
  const after = await firstValueFrom(pipeline.plan$)
  t.deepEqual(after.canary, {
    ...before.canary,
    share: 0.5,
    plan: { ...before.canary?.plan, deployment: after.deployment },
  })
  assertShared(t, await from(60), 0.5)
  await pipeline.rollback()
  t.deepEqual(orderOf(await from(20)), [1])
  await stop()
  assertEachOnce(t, given, pipeline)
})

for (const [title, promote] of [
  ['promoted', ({ pipeline }) => pipeline.promote()],
  ['deployed without a share', ({ deploy }) => deploy(SECOND)],
] as [string, (setting: Awaited<ReturnType<typeof streaming>>) => Promise<unknown>][]) {
  test(`a canary - takes all frames when it is ${title}, with nothing loaded for it; and the way back is open`, async t => {
    const setting = await streaming(t)
    const { pipeline, given, deploy, stop, from } = setting
    await deploy(SECOND, { canary: 0.5 })
    assertShared(t, await from(20), 0.5)
    const { canary } = await firstValueFrom(pipeline.plan$)
    await promote(setting)
    const plan = await firstValueFrom(pipeline.plan$)
    t.is(canary?.plan.epoch, plan.epoch)
    t.is(plan.canary, undefined)
    t.deepEqual(orderOf(await from(20)), [2])
    await pipeline.rollback()
    t.deepEqual(orderOf(await from(20)), [1])
    await stop()
    assertEachOnce(t, given, pipeline)
  })
}

test('a canary - of two streams has its share in each', async t => {
  const { cluster, pipeline, deploy, stop, from } = await streaming(t)
  await deploy(SECOND, { canary: 0.25 })
  const other = await cluster.pipeline('p')
  const frames = Array.from({ length: 40 }, (_, i) => ({ x: row(i, -i) }))
  const given: Prediction[] = []
  other
    .pull(frames)
    .pipe(other.infer({ stream: 'other' }))
    .subscribe(one => given.push(one))
  await firstValueFrom(other.ledger$.pipe(filter(() => other.counts().predicted === frames.length)))
  assertShared(t, given, 0.25)
  assertEachOnce(t, given, other)
  assertShared(t, await from(20), 0.25)
  await stop()
  t.is(pipeline.counts().failed, 0)
})

test('a canary - of a pipeline that is not there is refused', async t => {
  const cluster = await embedded({ workers: 1 })
  t.teardown(() => cluster.close())
  t.is(await rejection(cluster.deploy(FIRST, { name: 'p', canary: 0.1 })), 'CANARY_REFUSED')
  t.is(await rejection(cluster.deploy(FIRST, { name: 'p', canary: 1 })), 'OPTION_INVALID')
})
