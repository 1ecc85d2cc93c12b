import { createHash } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import { firstValueFrom, skip, take } from 'rxjs'
import { embedded, type Pipeline, type Prediction } from '../../config/index.js'
import { type Tensors } from '../../core/tensor.js'
import { adder, numbersOf, rejection, row } from '../support/actors.js'

const [FIRST, SECOND] = [adder(1), adder(2)]

function versionOf(model: Uint8Array): string {
  return createHash('sha256').update(model).digest('hex').slice(0, 12)
}

/** A stream of numbered frames through a pipeline of the first version, until `stop`. */
async function streaming(t: ExecutionContext) {
  const cluster = await embedded({ workers: 2 })
  t.teardown(() => cluster.close())
  const pipeline = await cluster.deploy(FIRST, { name: 'p', partitions: 1 })
  const given: Prediction[] = []
  let stopped = false
  function* frames(): Generator<Tensors> {
    for (let i = 0; !stopped; i++) yield { x: row(i, -i) }
  }
  const ended = new Promise<void>((resolve, reject) => {
    pipeline
      .pull(frames())
      .pipe(pipeline.infer())
      .subscribe({ next: prediction => given.push(prediction), complete: resolve, error: reject })
  })
  await more(pipeline, 20)
  const stop = async () => {
    await more(pipeline, 20)
    stopped = true
    await ended
  }
  return { cluster, pipeline, given, stop }
}

/** Resolves when so many more predictions have been made. */
async function more(pipeline: Pipeline, count: number): Promise<void> {
  await firstValueFrom(pipeline.predictions$.pipe(skip(count - 1), take(1)))
}

/** Each frame once, in order, and with the value of the version that it names. */
function assertEachOnce(t: ExecutionContext, given: readonly Prediction[], pipeline: Pipeline): void {
  const added = new Map([
    [versionOf(FIRST), 1],
    [versionOf(SECOND), 2],
  ])
  for (const [i, { sequence, version, outputs }] of given.entries()) {
    const more = added.get(version) ?? NaN
    t.is(sequence, i)
    t.deepEqual(numbersOf(outputs, 'sum'), [i + more, -i + more])
  }
  const { admitted, predicted, duplicates } = pipeline.counts()
  t.deepEqual([predicted, duplicates], [admitted, 0])
}

test('a new version - takes over between two frames of a stream, and loses none', async t => {
  const { cluster, pipeline, given, stop } = await streaming(t)
  await cluster.deploy(SECOND, { name: 'p', partitions: 1 })
  t.is((await firstValueFrom(pipeline.plan$)).handover, 'drain')
  await stop()
  assertEachOnce(t, given, pipeline)
  const versions = given.map(({ version }) => version)
  t.deepEqual([...new Set(versions)], [versionOf(FIRST), versionOf(SECOND)])
  // Once it has begun, the old one makes none.
  t.is(versions.lastIndexOf(versionOf(FIRST)) + 1, versions.indexOf(versionOf(SECOND)))
})

test('a new version - that cannot be deployed leaves the old one as it was', async t => {
  const { cluster, pipeline, given, stop } = await streaming(t)
  t.is(await rejection(cluster.deploy(new TextEncoder().encode('no model'), { name: 'p' })), 'MODEL_INVALID')
  await stop()
  assertEachOnce(t, given, pipeline)
  t.deepEqual([...new Set(given.map(({ version }) => version))], [versionOf(FIRST)])
})
