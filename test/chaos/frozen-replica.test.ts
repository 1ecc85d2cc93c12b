import test, { type ExecutionContext } from 'ava'
import { startBroker } from '../../broker/index.js'
import { openSession } from '../../actors/session/index.js'
import { relativeError } from '../../core/compare.js'
import { replicaFor } from '../../core/schedule.js'
import { type Tensors } from '../../core/tensor.js'
import { type Prediction } from '../../actors/dispatcher/index.js'
import { inTurns } from '../support/actors.js'
import { largeContents, largeFrame, wideModel } from '../support/large-frames.js'
import { Members } from '../support/members.js'
import { dispatcherOf, runReplicated } from '../support/replicated.js'

const WORKERS = ['w1', 'w2', 'w3']
const contents = largeContents(8)

function frameOf(sequence: number): Tensors {
  return largeFrame(contents[sequence % contents.length] ?? new Float32Array())
}

/** Whose turn it is, of two equal replicas of the second stage, with the only stream of a dispatcher. */
function replicaOf({ sequence }: { readonly sequence: number }): number | undefined {
  return replicaFor(sequence, 1, [1, 1])
}

async function worstError(predictions: readonly Prediction[]): Promise<number> {
  const session = await openSession(wideModel())
  const expected: Tensors[] = []
  for (let i = 0; i < contents.length; i++) expected.push(await session.run(frameOf(i)))
  await session.release()
  const errors = predictions.map(({ sequence, outputs }) =>
    relativeError(outputs, expected[sequence % expected.length] ?? {}),
  )
  return Math.max(...errors)
}

/** Worker processes without a supervisor, which the test is. */
async function setting(t: ExecutionContext) {
  t.timeout(180_000)
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  const members = new Members(broker.url)
  t.teardown(() => members.stop())
  // None of what is sent to a replica that is frozen is given up.
  await Promise.all(WORKERS.map(id => members.start(id, ['--send-timeout-ms', '120000'])))
  const connect = async (clientId: string) => {
    const bus = await broker.connect({ clientId })
    t.teardown(() => bus.close())
    return bus
  }
  return { members, control: await connect('test'), data: await connect('door') }
}

test('a frozen replica - stops no frame of the other until all that may be under way is its own, and loses none', async t => {
  const { members, control, data } = await setting(t)
  const plan = await runReplicated(t, control, wideModel(), [{ w1: 1 }, { w2: 1, w3: 1 }, { w1: 1 }])
  const dispatcher = await dispatcherOf(t, data, plan)
  const given: Prediction[] = []
  const open = new Map<number, number | undefined>()
  dispatcher.frames$.subscribe(frame => open.set(frame.sequence, replicaOf(frame)))
  let feeding = true
  let sequence = 0
  function* source(): Generator<Tensors> {
    while (feeding) yield frameOf(sequence++)
  }
  const ended = new Promise<void>((resolve, reject) => {
    const options = { order: 'completion', deadlineMs: 150_000 } as const
    dispatcher
      .pull(source())
      .pipe(dispatcher.infer(options))
      .subscribe({
        next: prediction => {
          given.push(prediction)
          open.delete(prediction.sequence)
        },
        complete: resolve,
        error: reject,
      })
  })
  await inTurns(() => given.length >= 20)

  members.signalRuntime('w3', 'SIGSTOP')
  const before = given.length
  await inTurns(() => open.size === plan.window && [...open.values()].every(replica => replica === 1))
  const during = given.slice(before)
  t.log(`${during.length} predictions while one of two replicas was frozen, with a window of ${plan.window}`)
  t.true(during.filter(one => replicaOf(one) === 0).length >= plan.window / 2)

  members.signalRuntime('w3', 'SIGCONT')
  const after = given.length
  await inTurns(() => given.length >= after + 3 * plan.window)
  feeding = false
  await ended
  t.like(dispatcher.counts(), { predicted: sequence, dropped: 0, failed: 0, duplicates: 0, open: 0 })
  t.is(new Set(given.map(one => one.sequence)).size, sequence)
  t.true((await worstError(given)) <= 1e-4)
})
