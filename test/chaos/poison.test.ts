import { type ChildProcess, fork } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import { firstValueFrom, NEVER, toArray } from 'rxjs'
import { type RuntimeSettings } from '../../actors/bin/runtime-settings.js'
import { Dispatcher, type DispatcherParts } from '../../actors/dispatcher/index.js'
import { ChildRuntime } from '../../actors/runtime/index.js'
import { WorkerAgent, workerOptions } from '../../actors/worker/index.js'
import { type Activation, Actual, Crash, encodeControl } from '../../core/control/index.js'
import { brokerLink } from '../../core/link.js'
import { parseOptions } from '../../core/options.js'
import { adder, hear, numbersOf, row, testBroker, testStore, TOPICS, until } from '../support/actors.js'
import { planOf } from '../support/dispatching.js'
import { inCheckout } from '../support/index.js'
import { POISONOUS } from '../support/poisoned-runtime.js'

const FRAMES = 20
const LIMITS = { startTimeoutMs: 20_000, stopTimeoutMs: 3_000, progressMs: 100, stallMs: 0 }

/** A worker with one stage, whose process is killed by frame 3; and a dispatcher. */
async function setting(t: ExecutionContext) {
  const { broker, connect } = await testBroker(t)
  const bus = await connect('others')
  const store = await testStore(t)
  const part = await store.put(adder(1))
  const inbox = { host: '127.0.0.1', port: 0, orAnother: false }
  const settings: RuntimeSettings = { id: 'w1', broker: broker.url, progressMs: 100, inbox, connect: {} }
  // Ended after the agent, which would start another in the place of one that is killed.
  const children: ChildProcess[] = []
  t.teardown(() => children.forEach(child => child.kill('SIGKILL')))
  const spawn = (notes: number) => {
    const child = fork(inCheckout('dist/test/support/poisoned-runtime.js'), [], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc', notes],
      env: { ...process.env, MILLRACE_RUNTIME: JSON.stringify(settings) },
    })
    children.push(child)
    return child
  }
  const agent = await WorkerAgent.start(
    {
      ...{ id: 'w1', incarnation: 1, bus: await connect('worker'), topics: TOPICS, store },
      createRuntime: () => ChildRuntime.start(spawn, LIMITS),
      onTrouble: () => {},
    },
    parseOptions(workerOptions, { heartbeatMs: 100 }, 'test'),
  )
  t.teardown(() => agent.stop())
  const inboxTopic = TOPICS.data.stage('p', 1, 0, 0)
  const activation: Activation = {
    ...{ pipeline: 'p', epoch: 1, stage: 0, replica: 0, term: 1, part, receives: ['x'], carries: [] },
    ...{ sends: ['sum'], inbox: { topic: inboxTopic }, inboxFrames: 16, lz4: 'never' },
  }
  const actuals = await hear(bus, TOPICS.worker.actuals, Actual)
  const desired = encodeControl({ term: 1, activations: [activation] })
  await bus.publish(TOPICS.worker.desired('w1'), desired, { qos: 1, retain: true })
  await until(actuals, ({ activations }) => activations[0]?.state === 'ready')
  const crash$ = await hear(bus, TOPICS.pipeline.crashes, Crash)
  const parts: DispatcherParts = {
    ...{ id: 'door', pipeline: 'p', topics: TOPICS, crash$, plan$: NEVER, restored$: NEVER },
    link: brokerLink(bus, { sendTimeoutMs: 5_000 }),
    onTrouble: () => {},
  }
  const dispatcher = await Dispatcher.start(parts, planOf(1, { window: 6 }))
  t.teardown(() => dispatcher.close())
  return { dispatcher, crash$ }
}

test('a frame that kills its runtime - is tried once more, alone, and fails; all others are predicted', async t => {
  t.timeout(120_000)
  const { dispatcher, crash$ } = await setting(t)
  const crashes: Crash[] = []
  crash$.subscribe(crash => crashes.push(crash))
  const failed: string[] = []
  dispatcher.ledger$.subscribe(entry => {
    if (entry.end === 'failed') failed.push(`${entry.sequence} ${entry.error.code}`)
  })
  const numbers = Array.from({ length: FRAMES }, (_, i) => i)
  const source = dispatcher.pull(numbers.map(i => row(i, 0)))
  const given = await firstValueFrom(source.pipe(dispatcher.infer(), toArray()))
  t.deepEqual(failed, [`${POISONOUS} FRAME_POISONOUS`])
  t.deepEqual(
    given.map(({ sequence, outputs }) => [sequence, numbersOf(outputs, 'sum')[0]]),
    numbers.filter(i => i !== POISONOUS).map(i => [i, i + 1]),
  )
  t.is(crashes.length, 2)
  t.true(crashes[0]?.suspects.some(({ sequence }) => sequence === POISONOUS))
  t.deepEqual(
    crashes[1]?.suspects.map(({ sequence }) => sequence),
    [POISONOUS],
  )
})
