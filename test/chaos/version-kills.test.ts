import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { filter, firstValueFrom, skip, take, timeout } from 'rxjs'
import { type Pipeline, type PipelineStatus, type Plan } from '../../config/index.js'
import { isCanaryFrame, versionOf } from '../../core/versions.js'
import { testFolder } from '../support/actors.js'
import { digitsFeed, DIGITS_MODEL, worstDigitsError } from '../support/digits-frames.js'
import { Account } from '../support/feed.js'
import { processCluster } from '../support/process-cluster.js'

const LIMIT_MS = 120_000
const DISTINCT = 20
const SHARE = 0.25
const WORKERS = ['w1', 'w2', 'w3']
/** A text about a model: another version, which answers as the first does. */
const DOC_STRING = Buffer.concat([Buffer.of(0x32, 3), Buffer.from('new')])

async function predictions(pipeline: Pipeline, count: number): Promise<void> {
  await firstValueFrom(pipeline.predictions$.pipe(skip(count - 1), take(1), timeout(LIMIT_MS)))
}

async function plan(pipeline: Pipeline, test: (plan: Plan) => boolean): Promise<Plan> {
  return firstValueFrom(pipeline.plan$.pipe(filter(test), timeout(LIMIT_MS)))
}

async function status(
  pipeline: Pipeline,
  test: (status: PipelineStatus) => boolean,
): Promise<PipelineStatus> {
  return firstValueFrom(pipeline.status$.pipe(filter(test), timeout(LIMIT_MS)))
}

test('versions under faults - every frame is predicted once, in order, whoever is killed', async t => {
  t.timeout(600_000)
  const folder = await testFolder(t)
  const file = join(folder, 'new.onnx')
  await writeFile(file, Buffer.concat([await readFile(DIGITS_MODEL), DOC_STRING]))
  const { cluster, members } = await processCluster(WORKERS, act => t.teardown(act))
  const name = 'digits'
  const pipeline = await cluster.deploy(DIGITS_MODEL, { name, partitions: 2, exclude: ['w3'] })
  const { model } = await firstValueFrom(pipeline.plan$)
  const { given } = new Account(pipeline)
  const feed = digitsFeed(pipeline, DISTINCT, 600_000)
  const tryOut = async () => {
    const own = await cluster.deploy(file, { name, partitions: 1, exclude: ['w1', 'w2'], canary: SHARE })
    await own.close()
  }

  await tryOut()
  t.log('the worker of a canary is killed')
  await predictions(pipeline, 40)
  await members.kill('w3')
  const { error } = await status(pipeline, ({ reason }) => reason === 'canary ended')
  t.is(error?.code, 'CANARY_ENDED')
  t.is((await plan(pipeline, ({ canary }) => canary === undefined)).model.sha256, model.sha256)
  await predictions(pipeline, 20)
  await members.start('w3')

  await tryOut()
  t.log('the supervisor is killed, and another leads')
  const { admitted } = pipeline.counts()
  await members.kill('supervisor')
  await predictions(pipeline, 60)
  await members.start('supervisor')
  for (const { sequence, version } of given.slice(admitted)) {
    t.is(version !== versionOf(model), isCanaryFrame(sequence, SHARE), `frame ${sequence}`)
  }
  await pipeline.promote()
  await predictions(pipeline, 20)
  t.log('the only worker of the version that was promoted is killed, and comes back')
  await members.kill('w3')
  await members.start('w3')
  await predictions(pipeline, 40)
  t.log('the supervisor is killed after a rollover, and the next one knows the way back')
  await members.kill('supervisor')
  await members.start('supervisor')
  await pipeline.rollback()
  t.is((await firstValueFrom(pipeline.plan$)).model.sha256, model.sha256)
  await predictions(pipeline, 20)

  await feed.stop()
  const { predicted, failed, dropped, duplicates } = pipeline.counts()
  t.log(`${predicted} predicted, ${duplicates} results came twice`)
  t.deepEqual([failed, dropped], [0, 0])
  t.deepEqual(
    given.map(({ sequence }) => sequence),
    Array.from({ length: predicted }, (_, i) => i),
  )
  t.is(pipeline.counts().admitted, predicted)
  t.true((await worstDigitsError(given, DISTINCT)) <= 1e-4)
})
