import test from 'ava'
import { filter, firstValueFrom, skip, take, timeout } from 'rxjs'
import { startBroker } from '../../broker/index.js'
import {
  type Cluster,
  connect,
  type LedgerEntry,
  type Pipeline,
  type Prediction,
} from '../../config/index.js'
import { type Plan } from '../../core/control.js'
import { type Random, randomOf } from '../../core/synthetic/index.js'
import { type Tensors } from '../../core/tensor.js'
import { digitsFrames, DIGITS_MODEL, worstDigitsError } from '../support/digits-frames.js'
import { Members } from '../support/members.js'

const ROUNDS = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 4)
const SEED = Number(process.env['MILLRACE_FAULT_SEED'] ?? Date.now() % 1_000_000)
const DEADLINE_MS = 20_000
const LIMIT_MS = 60_000
const DISTINCT = 20
const WORKERS = ['w1', 'w2', 'w3']
/** The only one that keeps frames for longer than they may take. */
const FREEZE = 'a runtime is frozen for longer than a frame may take'

const inputs = digitsFrames(DISTINCT)

interface Setting {
  readonly cluster: Cluster
  readonly pipeline: Pipeline
  readonly members: Members
}

/** Resolves when the stream has given so many more predictions. */
async function predictions(pipeline: Pipeline, count: number): Promise<void> {
  await firstValueFrom(pipeline.predictions$.pipe(skip(count - 1), take(1), timeout(LIMIT_MS)))
}

/** Resolves when a plan is in force in which a worker has nothing. */
async function movedFrom(pipeline: Pipeline, worker: string): Promise<void> {
  const moved = ({ stages }: Plan) => stages.every(stage => stage.worker !== worker)
  await firstValueFrom(pipeline.plan$.pipe(filter(moved), timeout(LIMIT_MS)))
}

const faults: Record<string, (setting: Setting, worker: string) => Promise<void>> = {
  'the supervisor is killed, and comes back': async ({ pipeline, members }) => {
    await members.kill('supervisor')
    await predictions(pipeline, 20)
    await members.start('supervisor')
  },
  'a runtime is killed': async ({ pipeline, members }, worker) => {
    const moved = movedFrom(pipeline, worker)
    members.signalRuntime(worker, 'SIGKILL')
    await moved
    await predictions(pipeline, 20)
  },
  [FREEZE]: async ({ pipeline, members }, worker) => {
    const expired = firstValueFrom(
      pipeline.ledger$.pipe(
        filter(entry => entry.end === 'failed' && entry.error.code === 'FRAME_DEADLINE'),
        timeout(LIMIT_MS),
      ),
    )
    members.signalRuntime(worker, 'SIGSTOP')
    await expired
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
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  const members = new Members(broker.url)
  t.teardown(() => members.stop())
  await Promise.all(['supervisor', ...WORKERS].map(id => members.start(id)))
  const cluster = await connect(broker.url)
  t.teardown(() => cluster.close())
  const pipeline = await cluster.deploy(DIGITS_MODEL, { name: 'digits', partitions: WORKERS.length })
  const setting = { cluster, pipeline, members }

  const entries: LedgerEntry[] = []
  pipeline.ledger$.subscribe(entry => {
    entries.push(entry)
    if (entry.end === 'failed') t.log(`frame ${entry.sequence} failed: ${entry.error.message}`)
  })
  const given: Prediction[] = []
  let stop = false
  function* source(): Generator<Tensors> {
    for (let i = 0; !stop; i++) yield inputs[i % DISTINCT] ?? {}
  }
  const streamed = new Promise<void>((resolve, reject) => {
    pipeline
      .pull(source())
      .pipe(pipeline.infer({ stream: 'camera', deadlineMs: DEADLINE_MS }))
      .subscribe({ next: prediction => given.push(prediction), complete: resolve, error: reject })
  })
  // Awaited at the end; should the test fail before, that failure is the one to report.
  streamed.catch(() => undefined)
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
  stop = true
  await streamed

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
