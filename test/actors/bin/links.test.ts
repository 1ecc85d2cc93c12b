import test, { type ExecutionContext } from 'ava'
import { filter, firstValueFrom, type Observable, take, timeout, toArray } from 'rxjs'
import { type EmbeddedBroker, startBroker } from '../../../broker/index.js'
import { connect, type Pipeline, type Prediction } from '../../../config/index.js'
import { Birth, type Plan } from '../../../core/control/index.js'
import { hear, TOPICS } from '../../support/actors.js'
import { millrace } from '../../support/cli.js'
import { digitsFrames, DIGITS_MODEL, worstDigitsError } from '../../support/digits-frames.js'
import { Members } from '../../support/members.js'
import { freePort } from '../../support/ports.js'

const LIMIT_MS = 60_000
const WORKERS = ['w1', 'w2', 'w3']
const FRAMES = 12
const { worker } = TOPICS

const inputs = digitsFrames(FRAMES)

async function brokerOf(t: ExecutionContext): Promise<EmbeddedBroker> {
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  return broker
}

/** A cluster of three worker processes, and how many messages go between its stages through the broker. */
async function setting(t: ExecutionContext) {
  const broker = await brokerOf(t)
  const bus = await broker.connect({ clientId: 'spy' })
  t.teardown(() => bus.close())
  const around = { count: 0 }
  await bus.subscribe(`${TOPICS.root}/data/#`, ({ topic }) => {
    if (/\/[12]\/0$/.test(topic)) around.count++
  })
  const members = new Members(broker.url)
  t.teardown(() => members.stop())
  await Promise.all(['supervisor', ...WORKERS].map(id => members.start(id)))
  const cluster = await connect(broker.url)
  t.teardown(() => cluster.close())
  return { bus, members, cluster, around }
}

function first<T>(source: Observable<T>, test: (value: T) => boolean = () => true): Promise<T> {
  return firstValueFrom(source.pipe(filter(test), timeout(LIMIT_MS)))
}

function links({ stages }: Plan): string[] {
  return stages.map(({ link }) => link)
}

/** Runs every input once. */
function infer(pipeline: Pipeline, stream: string): Promise<Prediction[]> {
  const options = { stream, deadlineMs: 30_000, failures: 'ledger' as const }
  return firstValueFrom(pipeline.pull(inputs).pipe(pipeline.infer(options), toArray(), timeout(LIMIT_MS)))
}

async function areRight(predictions: readonly Prediction[]): Promise<boolean> {
  return predictions.length === FRAMES && (await worstDigitsError(predictions, FRAMES)) <= 1e-4
}

test.serial('links - go from worker to worker, or through the broker if that is asked for', async t => {
  const { cluster, around } = await setting(t)
  const auto = await cluster.deploy(DIGITS_MODEL, { name: 'auto', partitions: 3 })
  t.deepEqual(links(await first(auto.plan$)), ['peer', 'peer', 'broker'])
  t.true(await areRight(await infer(auto, 'a')))
  t.is(around.count, 0)
  const only = await cluster.deploy(DIGITS_MODEL, { name: 'only', partitions: 3, links: 'peer' })
  t.deepEqual(links(await first(only.plan$)), ['peer', 'peer', 'broker'])
  t.true(await areRight(await infer(only, 'a')))
  t.is(around.count, 0)
  const asked = await cluster.deploy(DIGITS_MODEL, { name: 'asked', partitions: 3, links: 'broker' })
  t.deepEqual(links(await first(asked.plan$)), ['broker', 'broker', 'broker'])
  t.true(await areRight(await infer(asked, 'a')))
  t.is(around.count, 2 * FRAMES)
  const near = await cluster.deploy(DIGITS_MODEL, { name: 'near', partitions: 5 })
  t.deepEqual(links(await first(near.plan$)), ['local', 'peer', 'local', 'peer', 'broker'])
  t.true(await areRight(await infer(near, 'a')))
})

test.serial(
  'links - go straight where partitions have moved to when a runtime was killed, and it comes back on its port',
  async t => {
    const { bus, members, cluster, around } = await setting(t)
    const pipeline = await cluster.deploy(DIGITS_MODEL, { name: 'p', partitions: 3 })
    t.true(await areRight(await infer(pipeline, 'before')))
    const births = await hear(bus, worker.birth('w2'), Birth)
    const { inbox } = await first(births)
    const again = firstValueFrom(births.pipe(take(2), toArray(), timeout(LIMIT_MS)))
    const { epoch } = await first(pipeline.plan$)
    members.signalRuntime('w2', 'SIGKILL')
    const moved = await first(pipeline.plan$, plan => plan.epoch > epoch)
    t.false(moved.stages.some(({ worker }) => worker === 'w2'))
    t.deepEqual([...links(moved)].sort(), ['broker', 'local', 'peer'])
    t.true(await areRight(await infer(pipeline, 'after')))
    t.is(around.count, 0)
    t.is((await again)[1]?.inbox, inbox)
  },
)

test.serial('a worker - whose inbox cannot listen where it should, says why', async t => {
  const broker = await brokerOf(t)
  const taken = new URL(broker.url).port
  const start = (...args: string[]) => millrace(['worker', '--id', 'w1', '--broker', broker.url, ...args])
  const onPort = await start('--inbox-port', taken)
  t.is(onPort.status, 1)
  t.regex(onPort.stderr, /^error PORT_TAKEN: /m)
  const onHost = await start('--inbox-host', '192.0.2.1')
  t.not(onHost.status, 0)
  t.regex(onHost.stderr, /^error OPTION_INVALID: .*192\.0\.2\.1/m)
  const nowhere = await millrace(['worker', '--broker', 'nonsense'])
  t.not(nowhere.status, 0)
  t.regex(nowhere.stderr, /^error OPTION_INVALID: .*nonsense/m)
  for (const { processes, files } of [onPort, onHost, nowhere]) t.deepEqual([processes, files], [[], []])
})

test.serial('a worker - takes frames where its options say', async t => {
  const broker = await brokerOf(t)
  const bus = await broker.connect({ clientId: 'spy' })
  t.teardown(() => bus.close())
  const births = await hear(bus, worker.birth('w1'), Birth)
  const port = await freePort()
  const members = new Members(broker.url)
  t.teardown(() => members.stop())
  await members.start('w1', ['--inbox-host', '127.0.0.2', '--inbox-port', String(port)])
  t.is((await first(births)).inbox, `mqtt://127.0.0.2:${port}`)
})
