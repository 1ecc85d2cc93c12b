import test from 'ava'
import { startBroker } from '../../../broker/index.js'
import { randomOf } from '../../../core/synthetic/index.js'
import { CliRun } from '../../support/cli.js'
import { inCheckout } from '../../support/index.js'

const DIGITS = inCheckout('examples/digits/digits.onnx')
const RUN = ['run', DIGITS, '--frames', '1000000', '--workers', '2']
const UNDER_WAY = /\/data\/.*\/results\//
const STOPPED_BY = { SIGINT: 130, SIGTERM: 143 } as const

/** What a run says on its broker, from its start to its end. */
const moments = {
  'the first worker is there': /\/worker\/w\d\/birth$/,
  'the model is fetched': /\/model\//,
  'partitions are assigned': /\/desired$/,
  'frames are under way': UNDER_WAY,
}

for (const [i, [moment, topic]] of Object.entries(moments).entries()) {
  // Signals differ in nothing but the status, and each run starts half a dozen processes.
  const signal = i % 2 === 0 ? 'SIGINT' : 'SIGTERM'
  test.serial(`${signal} - once ${moment}, a run stops and leaves nothing`, async t => {
    const broker = await startBroker({ port: 0 })
    t.teardown(() => broker.close())
    const bus = await broker.connect({ clientId: 'test' })
    t.teardown(() => bus.close())
    const run = new CliRun([...RUN, '--broker', broker.url])
    let seen = false
    await bus.subscribe('#', message => {
      if (seen || !topic.test(message.topic)) return
      seen = true
      run.signal(signal)
    })
    const { status, processes, files, stdout } = await run.ended
    t.deepEqual([seen, status], [true, STOPPED_BY[signal]])
    t.deepEqual([processes, files, stdout], [[], [], ''])
    t.is(broker.metrics().retainedMessages, 0)
  })
}

test.serial('SIGINT - at any moment, a run with a broker of its own stops and leaves nothing', async t => {
  const seed = Date.now() % 1_000_000
  t.log(`seed ${seed}`)
  const random = randomOf('stop', seed)
  for (let i = 0; i < 4; i++) {
    const run = new CliRun(RUN)
    const timer = setTimeout(() => run.signal('SIGINT'), 100 + 4_000 * random.uniform())
    const { status, processes, files } = await run.ended
    clearTimeout(timer)
    // Before its handlers are there, a process ends by the signal itself.
    t.true(status === 130 || status === null, String(status))
    t.deepEqual([processes, files], [[], []])
  }
})

test.serial('SIGKILL - of a run, its processes end by themselves', async t => {
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  const bus = await broker.connect({ clientId: 'test' })
  t.teardown(() => bus.close())
  const run = new CliRun([...RUN, '--broker', broker.url])
  await bus.subscribe('#', ({ topic }) => {
    if (UNDER_WAY.test(topic)) run.signal('SIGKILL')
  })
  const { status } = await run.ended
  t.is(status, null)
  await run.gone()
  t.pass()
})

test.serial('SIGINT - the parts of a cluster, started one by one, stop and leave nothing', async t => {
  const broker = new CliRun(['broker', '--port', '0', '--json'])
  const { url } = JSON.parse(await broker.firstLine()) as { url: string }
  const at = ['--broker', url, '--json']
  const supervisor = new CliRun(['supervisor', ...at])
  const workers = ['a', 'b'].map(id => new CliRun(['worker', '--id', id, ...at]))
  await Promise.all([supervisor, ...workers].map(part => part.firstLine()))
  const deploy = await new CliRun(['deploy', DIGITS, '--name', 'd', '--partitions', '2', ...at]).ended
  t.is(deploy.status, 0, deploy.stderr)
  const status = await new CliRun(['status', ...at]).ended
  const view = JSON.parse(status.stdout) as { workers: { worker: string }[]; pipelines: unknown[] }
  t.deepEqual(view.workers.map(({ worker }) => worker).sort(), ['a', 'b'])
  t.is(view.pipelines.length, 1)
  t.like(view.pipelines[0], { pipeline: 'd', state: 'ready', epoch: 1, stages: 2, model: 'digits.onnx' })
  for (const part of [...workers, supervisor, broker]) {
    const { status, processes, files } = await part.stop()
    t.deepEqual([status, processes, files], [130, [], []])
  }
})
