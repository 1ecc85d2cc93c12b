import test, { type ExecutionContext } from 'ava'
import { filter, firstValueFrom, skip, timeout } from 'rxjs'
import { openSession } from '../../actors/session/index.js'
import { type DeployOptions, type Pipeline } from '../../config/index.js'
import { relativeError } from '../../core/compare.js'
import { type Plan } from '../../core/control/index.js'
import { type Tensors } from '../../core/tensor.js'
import { row } from '../support/actors.js'
import { Account, Feed, pulledFrames } from '../support/feed.js'
import { laborious } from '../support/laborious.js'
import { processCluster } from '../support/process-cluster.js'

const LIMIT_MS = 240_000
/** Of several windows of a second each. */
const LEARNT_MS = 12_000
const DISTINCT = 5
/** Of the time, a slowed process runs a fifth. */
const DUTY = { everyMs: 150, runsMs: 30 }

/** Of each worker. */
const OPTIONS = ['--no-benchmark']
const MODEL = laborious(6)

function frameOf(sequence: number): Tensors {
  return { x: row((sequence % DISTINCT) / 4, 0.5) }
}

async function running(t: ExecutionContext, workers: readonly string[], options: DeployOptions) {
  t.timeout(4 * LIMIT_MS)
  const { cluster, members } = await processCluster(workers, act => t.teardown(act), OPTIONS)
  const join = (id: string) => members.start(id, OPTIONS)
  const pipeline = await cluster.deploy(MODEL, { name: 'p', replicas: false, ...options })
  const account = new Account(pipeline)
  const feed = new Feed(pipeline, frameOf, next => pulledFrames(pipeline, next, LIMIT_MS))
  return { members, join, pipeline, account, feed }
}

async function more(pipeline: Pipeline, count: number): Promise<void> {
  await firstValueFrom(pipeline.predictions$.pipe(skip(count - 1), timeout(LIMIT_MS)))
}

/** Resolves with the first prediction after so long: by then it is known what each worker usually takes. */
async function usual(pipeline: Pipeline): Promise<void> {
  const startedAt = performance.now()
  const later = () => performance.now() - startedAt > LEARNT_MS
  await firstValueFrom(pipeline.predictions$.pipe(filter(later), timeout(LIMIT_MS)))
}

function planned(pipeline: Pipeline, test: (plan: Plan) => boolean): Promise<Plan> {
  return firstValueFrom(pipeline.plan$.pipe(filter(test), timeout(LIMIT_MS)))
}

/** Each frame was predicted once, in order, and right. */
async function checkFrames(t: ExecutionContext, pipeline: Pipeline, { entries, given }: Account) {
  const { admitted, predicted, dropped, failed } = pipeline.counts()
  t.log(`${admitted} admitted, ${predicted} predicted`)
  t.deepEqual([predicted, dropped, failed], [admitted, 0, 0])
  t.is(entries.length, admitted)
  t.deepEqual(
    given.map(({ sequence }) => sequence),
    Array.from({ length: admitted }, (_, i) => i),
  )
  const session = await openSession(MODEL)
  const expected: Tensors[] = []
  for (let i = 0; i < DISTINCT; i++) expected.push(await session.run(frameOf(i)))
  await session.release()
  const errors = given.map(({ sequence, outputs }) =>
    relativeError(outputs, expected[sequence % DISTINCT] ?? {}),
  )
  t.true(Math.max(...errors) <= 1e-4)
}

test.serial(
  'a worker that joins under load - takes part; no frame is lost, and none out of order',
  async t => {
    const { join, pipeline, account, feed } = await running(t, ['w1', 'w2'], {})
    const reasons: (string | undefined)[] = []
    pipeline.plan$.subscribe(({ reason }) => reasons.push(reason))
    await more(pipeline, 20)
    const before = await firstValueFrom(pipeline.plan$)
    t.false(before.stages.some(({ worker }) => worker === 'w3'))
    await join('w3')
    const better = await planned(pipeline, ({ stages }) => stages.some(({ worker }) => worker === 'w3'))
    t.like(better, { handover: 'drain', reason: 'worker joined', deployment: before.deployment })
    await more(pipeline, 40)
    await feed.stop()
    await checkFrames(t, pipeline, account)
    // All of them share a processor, and take much longer than alone.
    t.false(reasons.includes('worker slow'))
  },
)

test.serial('a worker that becomes slow under load - is relieved, and no frame is lost', async t => {
  const workers = ['w1', 'w2', 'w3', 'w4']
  const { members, pipeline, account, feed } = await running(t, workers, { partitions: 3 })
  await usual(pipeline)
  const pid = members.processes().get('runtime of w2') ?? NaN
  const stopAndGo = setInterval(() => {
    process.kill(pid, 'SIGSTOP')
    setTimeout(() => process.kill(pid, 'SIGCONT'), DUTY.everyMs - DUTY.runsMs)
  }, DUTY.everyMs)
  t.teardown(() => clearInterval(stopAndGo))
  const better = await planned(pipeline, ({ stages }) => stages.every(({ worker }) => worker !== 'w2'))
  clearInterval(stopAndGo)
  t.like(better, { handover: 'drain', reason: 'worker slow' })
  await more(pipeline, 40)
  await feed.stop()
  await checkFrames(t, pipeline, account)
})
