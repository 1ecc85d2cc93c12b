import test from 'ava'
import { distinct, filter, firstValueFrom, merge, type Observable, skip, take, timeout } from 'rxjs'
import { type Cluster, type Pipeline } from '../../config/index.js'
import { type Plan } from '../../core/control/index.js'
import { type Random, randomOf } from '../../core/synthetic/index.js'
import { digitsFeed, DIGITS_MODEL, worstDigitsError } from '../support/digits-frames.js'
import { type Members } from '../support/members.js'
import { Account } from '../support/feed.js'
import { processCluster } from '../support/process-cluster.js'

const ROUNDS = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 4)
const SEED = Number(process.env['MILLRACE_FAULT_SEED'] ?? Date.now() % 1_000_000)
const DEADLINE_MS = 20_000
const LIMIT_MS = 60_000
const DISTINCT = 20
const WORKERS = ['w1', 'w2', 'w3']
/** The only one that keeps frames for longer than they may take. */
const FREEZE = 'a runtime is frozen for longer than a frame may take'

interface Setting {
  readonly cluster: Cluster
  readonly pipeline: Pipeline
  readonly members: Members
}

/** Resolves when the stream has given so many more predictions. */
async function predictions(pipeline: Pipeline, count: number): Promise<void> {
  await firstValueFrom(pipeline.predictions$.pipe(skip(count - 1), take(1), timeout(LIMIT_MS)))
}

/** A worker that was picked for its partitions may have lost them to another plan before anything is done to it. */
function without(pipeline: Pipeline, worker: string): Observable<Plan> {
  return pipeline.plan$.pipe(filter(({ stages }) => stages.every(stage => stage.worker !== worker)))
}

/** Resolves when a plan is in force in which a worker has nothing. */
async function movedFrom(pipeline: Pipeline, worker: string): Promise<void> {
  await firstValueFrom(without(pipeline, worker).pipe(timeout(LIMIT_MS)))
}

/** The same, or another plan than at the call: where runtimes of all have crashed of late, one of them is asked again. */
async function replanned(pipeline: Pipeline, worker: string): Promise<void> {
  const another = pipeline.plan$.pipe(
    distinct(({ epoch }) => epoch),
    skip(1),
  )
  await firstValueFrom(merge(another, without(pipeline, worker)).pipe(timeout(LIMIT_MS)))
}

const faults: Record<string, (setting: Setting, worker: string) => Promise<void>> = {
  'the supervisor is killed, and comes back': async ({ pipeline, members }) => {
    await members.kill('supervisor')
    await predictions(pipeline, 20)
    await members.start('supervisor')
  },
  'a runtime is killed': async ({ pipeline, members }, worker) => {
    const changed = replanned(pipeline, worker)
    members.signalRuntime(worker, 'SIGKILL')
    await changed
    await predictions(pipeline, 20)
  },
  [FREEZE]: async ({ pipeline, members }, worker) => {
    const expired = pipeline.ledger$.pipe(
      filter(entry => entry.end === 'failed' && entry.error.code === 'FRAME_DEADLINE'),
    )
    const over = firstValueFrom(merge(expired, without(pipeline, worker)).pipe(timeout(LIMIT_MS)))
    members.signalRuntime(worker, 'SIGSTOP')
    await over
    members.signalRuntime(worker, 'SIGCONT')
    await predictions(pipeline, 20)
  },
  'a worker is killed, others take over, and it comes back': async (
    { cluster, pipeline, members },
    worker,
  ) => {
    const moved = movedFrom(pipeline, worker)
    await members.kill(worker)
    await moved
    await predictions(pipeline, 20)
    await members.start(worker)
    await cluster.deploy(DIGITS_MODEL, { name: pipeline.name, partitions: WORKERS.length })
  },
}

function pick<T>(random: Random, list: readonly T[]): T {
  const one = list[random.below(list.length)]
  if (one === undefined) throw new Error('nothing to pick from')
  return one
}

test('killing at random - every frame ends once, in order, and what is predicted is right', async t => {
  t.timeout(600_000)
  t.log(`seed ${SEED}, ${ROUNDS} rounds`)
  const random = randomOf('kills', SEED)
  const { cluster, members } = await processCluster(WORKERS, act => t.teardown(act))
  const pipeline = await cluster.deploy(DIGITS_MODEL, { name: 'digits', partitions: WORKERS.length })
  const setting = { cluster, pipeline, members }
  pipeline.ledger$.subscribe(entry => {
    if (entry.end === 'failed') t.log(`frame ${entry.sequence} failed: ${entry.error.message}`)
  })
  const { entries, given } = new Account(pipeline)
  const feed = digitsFeed(pipeline, DISTINCT, DEADLINE_MS)
  await predictions(pipeline, 20)
  for (let round = 0; round < ROUNDS; round++) {
    const fault = pick(random, Object.keys(faults))
    // One that has a partition: what becomes of the others harms nobody.
    const { stages } = await firstValueFrom(pipeline.plan$)
    const worker = pick(
      random,
      stages.map(stage => stage.worker),
    )
    t.log(`${worker}: ${fault}`)
    const before = pipeline.counts().failed
    await faults[fault]?.(setting, worker)
    if (fault !== FREEZE) t.is(pipeline.counts().failed, before, fault)
  }
  await feed.stop()

  const { admitted, predicted, dropped, failed } = pipeline.counts()
  t.log(`${admitted} admitted, ${predicted} predicted, ${failed} failed`)
  t.is(predicted + dropped + failed, admitted)
  t.is(dropped, 0)
  t.deepEqual(
    entries.map(({ sequence }) => sequence).sort((a, b) => a - b),
    Array.from({ length: admitted }, (_, i) => i),
  )
  t.true(given.every(({ sequence }, i) => sequence > (given[i - 1]?.sequence ?? -1)))
  t.is(given.length, predicted)
  const worst = await worstDigitsError(given, DISTINCT)
  t.true(worst <= 1e-4, String(worst))
})
