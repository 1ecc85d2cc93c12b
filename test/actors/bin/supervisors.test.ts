import test, { type ExecutionContext } from 'ava'
import { startBroker } from '../../../broker/index.js'
import { type Cluster, connect, topK } from '../../../config/index.js'
import { tensor } from '../../../core/tensor.js'
import { filter, firstValueFrom, of, skipWhile } from 'rxjs'
import { inTurns } from '../../support/actors.js'
import { CliRun } from '../../support/cli.js'
import { floats, node, onnxBytes, value } from '../../support/onnx-builder.js'

/** Adds a number to each of two; cuttable once. */
function adder(added: number): Uint8Array {
  return onnxBytes({
    inputs: [value('x', 'FLOAT', [1, 2])],
    outputs: [value('y', 'FLOAT', [1, 2])],
    initializers: [floats('added', [1], [added])],
    nodes: [node('Add', ['x', 'added'], ['sum']), node('Relu', ['sum'], ['y'])],
  })
}

async function answer(cluster: Cluster, model: Uint8Array): Promise<number | undefined> {
  const pipeline = await cluster.deploy(model, { name: 'adder' })
  const frame = tensor('float32', [1, 2], Float32Array.of(0, 0))
  const { outputs } = await firstValueFrom(of(frame).pipe(pipeline.infer()))
  await pipeline.close()
  return topK(outputs['y'], 1)[0]?.value
}

/** A part of a cluster, as a process that does not outlive the test. */
async function start(t: ExecutionContext, ...args: string[]): Promise<CliRun> {
  const run = new CliRun(args)
  t.teardown(() => run.signal('SIGKILL'))
  await run.firstLine()
  return run
}

test.serial('supervisors - of two, the newer leads, and the other ends and says why', async t => {
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  const supervisor = (id: string) => start(t, 'supervisor', '--id', id, '--broker', broker.url)
  const older = await supervisor('older')
  const newer = await supervisor('newer')
  const ended = await older.ended
  t.is(ended.status, 1)
  t.regex(ended.stderr, /^error SUPERVISOR_SUPERSEDED: 'newer' leads in term 2/m)
  t.is((await newer.stop()).status, 130)
})

for (const [signal, how] of [
  ['SIGKILL', 'is killed'],
  ['SIGSTOP', 'freezes'],
] as const) {
  test.serial(`supervisors - one that stands by takes the lead when the leader ${how}`, async t => {
    const broker = await startBroker({ port: 0 })
    t.teardown(() => broker.close())
    const at = ['--broker', broker.url]
    await start(t, 'worker', '--id', 'w1', ...at)
    const leader = await start(t, 'supervisor', '--id', 'leader', ...at)
    const standby = await start(t, 'supervisor', '--id', 'standby', '--standby', ...at)
    const cluster = await connect(broker.url)
    t.teardown(() => cluster.close())
    t.is(await answer(cluster, adder(1)), 1)
    t.false(standby.stdout.includes('leads'))
    leader.signal(signal)
    await inTurns(() => standby.stdout.includes('leads in term 2'))
    t.is(await answer(cluster, adder(5)), 5)
    if (signal === 'SIGSTOP') {
      leader.signal('SIGCONT')
      t.regex((await leader.ended).stderr, /SUPERVISOR_SUPERSEDED: 'standby' leads in term 2/)
    }
    t.is((await standby.stop()).status, 130)
  })
}

test.serial(
  'supervisors - a broker that forgot everything takes the next model, whatever ran before',
  async t => {
    let broker = await startBroker({ port: 0 })
    t.teardown(() => broker.close())
    const at = ['--broker', broker.url]
    const worker = await start(t, 'worker', '--id', 'w1', ...at)
    // A term above 1, which the worker remembers.
    const first = await start(t, 'supervisor', '--id', 's1', ...at)
    await first.stop()
    const second = await start(t, 'supervisor', '--id', 's2', ...at)
    const cluster = await connect(broker.url)
    t.teardown(() => cluster.close())
    t.is(await answer(cluster, adder(1)), 1)
    const back = firstValueFrom(
      cluster.control.state$.pipe(
        skipWhile(state => state === 'connected'),
        filter(state => state === 'connected'),
      ),
    )
    await broker.close()
    broker = await startBroker({ port: broker.port })
    await back
    t.is(await answer(cluster, adder(5)), 5)
    for (const part of [worker, second]) t.is((await part.stop()).status, 130)
  },
)

test.serial(
  'supervisors - a broker that forgot everything is told again, so that newcomers find what is deployed',
  async t => {
    let broker = await startBroker({ port: 0 })
    t.teardown(() => broker.close())
    const at = ['--broker', broker.url]
    await start(t, 'worker', '--id', 'w1', ...at)
    const supervisor = await start(t, 'supervisor', '--id', 's1', ...at)
    const cluster = await connect(broker.url)
    t.teardown(() => cluster.close())
    await cluster.deploy(adder(7), { name: 'adder' })
    const known = await cluster.deploy(adder(1), { name: 'adder' })
    await cluster.deploy(adder(1), { name: 'gone' })
    await cluster.undeploy('gone')
    const { epoch, term } = await firstValueFrom(known.plan$)
    await broker.close()
    broker = await startBroker({ port: broker.port })
    await inTurns(() => supervisor.stdout.includes('leads in term 2'))
    const newcomer = await connect(broker.url)
    t.teardown(() => newcomer.close())
    const found = await newcomer.pipeline('adder')
    // It is what was there, and nothing was begun anew.
    t.like(await firstValueFrom(found.plan$), { epoch, term })
    t.is((await firstValueFrom(found.status$)).state, 'ready')
    const frame = tensor('float32', [1, 2], Float32Array.of(0, 0))
    const { outputs } = await firstValueFrom(of(frame).pipe(found.infer()))
    t.is(topK(outputs['y'], 1)[0]?.value, 1)
    t.is((await firstValueFrom(found.plan$)).epoch, epoch)
    const specs: string[] = []
    await newcomer.control.subscribe(newcomer.topics.pipeline.specs, ({ topic }) => specs.push(topic))
    await inTurns(() => specs.length > 0)
    t.deepEqual(specs, [newcomer.topics.pipeline.spec('adder')])
    await found.rollback()
    const before = await firstValueFrom(of(frame).pipe(found.infer()))
    t.is(topK(before.outputs['y'], 1)[0]?.value, 7, 'the version before is known too')
  },
)
