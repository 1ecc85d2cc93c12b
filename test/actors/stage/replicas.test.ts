import test, { type ExecutionContext } from 'ava'
import { firstValueFrom, toArray } from 'rxjs'
import { workerOptions } from '../../../actors/worker/options.js'
import { localRuntime, startWorker } from '../../../config/hosts.js'
import { Cleanup } from '../../../core/cleanup.js'
import { type ActorProgress, Beat } from '../../../core/control/index.js'
import { type MillraceError } from '../../../core/errors.js'
import { parseOptions } from '../../../core/options.js'
import {
  doubler,
  hear,
  inTurns,
  numbersOf,
  row,
  testBroker,
  type TestBroker,
  TOPICS,
} from '../../support/actors.js'
import { inboxBroker } from '../../support/inboxes.js'
import { dispatcherOf, runReplicated } from '../../support/replicated.js'

const OPERATORS = 6
const FACTOR = 2 ** OPERATORS

/** Workers of this process, each with an inbox of its own. */
async function startWorkers(t: ExecutionContext, { connect }: TestBroker, ids: readonly string[]) {
  const cleanup = new Cleanup()
  t.teardown(() => cleanup.run())
  const onTrouble = ({ code, message }: MillraceError) => t.log(`${code}: ${message}`)
  const options = parseOptions(workerOptions, { heartbeatMs: 50 }, 'worker')
  for (const id of ids) {
    const inbox = await inboxBroker(t)
    const open = ({ clientId, ...more }: Parameters<Parameters<typeof startWorker>[0]['open']>[0]) =>
      connect(clientId, more)
    const host = { id, open, topics: TOPICS, sendTimeoutMs: 10_000, onTrouble }
    await startWorker(host, options, cleanup, () => localRuntime(host, cleanup, inbox))
  }
}

test('replicas - each takes its share of the frames of all streams, and every prediction is right and in order', async t => {
  t.timeout(120_000)
  const broker = await testBroker(t)
  await startWorkers(t, broker, ['w1', 'w2', 'w3', 'w4'])
  const bus = await broker.connect('others')
  const actors = new Map<string, ActorProgress>()
  ;(await hear(bus, TOPICS.worker.beats, Beat)).subscribe(beat => {
    for (const actor of beat.actors) actors.set(`${actor.stage}/${actor.replica}`, actor)
  })
  const plan = await runReplicated(t, bus, doubler(OPERATORS), [
    { w1: 1, w2: 1 },
    { w2: 2, w3: 1, w4: 1 },
    { w1: 1 },
  ])
  // The sender of two ways says the one that costs more: w2 reaches its own replica by reference.
  t.deepEqual(
    plan.stages.map(({ link }) => link),
    ['peer', 'peer', 'peer', 'peer', 'peer', 'broker'],
  )
  const dispatcher = await dispatcherOf(t, bus, plan)
  const streams = ['left', 'right']
  const count = 60
  const frames = Array.from({ length: count }, (_, i) => row(i, -i))
  const answers = await Promise.all(
    streams.map(stream =>
      firstValueFrom(dispatcher.pull(frames).pipe(dispatcher.infer({ stream }), toArray())),
    ),
  )
  for (const predictions of answers) {
    t.deepEqual(
      predictions.map(({ sequence, outputs }) => [sequence, ...numbersOf(outputs, 'y')]),
      frames.map((_, i) => [i, FACTOR * i, -FACTOR * i]),
    )
  }
  const total = streams.length * count
  const taken = (stage: number, replica: number) => actors.get(`${stage}/${replica}`)?.frames ?? 0
  await inTurns(() => taken(2, 0) === total)
  await inTurns(
    () => taken(1, 0) + taken(1, 1) + taken(1, 2) === total && taken(0, 0) + taken(0, 1) === total,
  )
  const shares = [taken(0, 0), taken(0, 1), taken(1, 0), taken(1, 1), taken(1, 2)]
  for (const [i, due] of [total / 2, total / 2, total / 2, total / 4, total / 4].entries())
    t.true(Math.abs((shares[i] ?? 0) - due) <= 4, `${shares.join(', ')} frames`)
})
