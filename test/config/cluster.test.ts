import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { firstValueFrom, from, map, toArray } from 'rxjs'
import { supervisorOptions } from '../../actors/supervisor/index.js'
import { workerOptions } from '../../actors/worker/index.js'
import { connectBus } from '../../broker/index.js'
import { startSupervisor, startWorker } from '../../config/hosts.js'
import { argMax, type Cluster, connect, embedded, topK } from '../../config/index.js'
import { Cleanup } from '../../core/cleanup.js'
import { encodeControl } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { parseOptions } from '../../core/options.js'
import { syntheticFrame } from '../../core/synthetic/index.js'
import { adder, doubler, listen, modelFile, numbersOf, rejection, row } from '../support/actors.js'
import { testBroker, testFolder, TOPICS, until } from '../support/actors.js'
import { inCheckout } from '../support/index.js'

const MODEL = inCheckout('examples/digits/digits.onnx')
/** Long enough to connect on a busy machine; what is not there is waited for as long. */
const LISTEN_MS = 4_000

/** A cluster of parts that are connected through sockets. */
async function running(t: ExecutionContext, workers: number) {
  const { broker, connect: attach } = await testBroker(t)
  const cleanup = new Cleanup()
  t.teardown(() => cleanup.run())
  const host = (id: string) => ({
    ...{ id, topics: TOPICS, sendTimeoutMs: 5_000, onTrouble: () => {} },
    open: (wish: Parameters<typeof connectBus>[1]) => connectBus(broker.url, wish),
  })
  const limits = parseOptions(supervisorOptions, { measureMs: 1, workerWaitMs: 100 }, 'test')
  const supervisor = await startSupervisor(host('supervisor'), limits, cleanup)
  const each = parseOptions(workerOptions, { heartbeatMs: 50 }, 'test')
  const agents = []
  for (let i = 1; i <= workers; i++) agents.push(await startWorker(host(`w${i}`), each, cleanup))
  const open = async (options = {}) => {
    const cluster = await connect(broker.url, options)
    t.teardown(() => cluster.close())
    return cluster
  }
  return { broker, attach, open, supervisor, agents }
}

async function answersOf(cluster: Cluster, name: string, values: number[]): Promise<number[]> {
  const pipeline = await cluster.pipeline(name)
  const flow = from(values.map(value => row(value, 0))).pipe(pipeline.infer(), toArray())
  const predictions = await firstValueFrom(flow)
  await pipeline.close()
  return predictions.map(({ outputs }) => Object.values(outputs).map(({ data }) => Number(data[0]))[0] ?? NaN)
}

test('a cluster - in this process runs a model as the introduction shows', async t => {
  const cluster = await embedded({ workers: 2 })
  const digits = await cluster.deploy(MODEL, { partitions: 2 })
  const plan = await firstValueFrom(digits.plan$)
  t.like(plan, { pipeline: 'digits', epoch: 1, model: { name: 'digits.onnx' } })
  t.is(plan.stages.length, 2)
  t.like(await firstValueFrom(digits.status$), { state: 'ready', deployment: plan.deployment })
  const flow = from([0, 1]).pipe(
    map(index => syntheticFrame(plan.inputs, 1, index)),
    digits.infer({ delivery: 'freshest' }),
    map(({ outputs }) => ({ top: topK(outputs['logits'] ?? row(), 3), outputs })),
    toArray(),
  )
  for (const { top, outputs } of await firstValueFrom(flow)) {
    t.is(top.length, 3)
    t.is(top[0]?.index, argMax(outputs['logits'] ?? row()))
  }
  await cluster.close()
  await cluster.close()
  t.is(await rejection(cluster.deploy(MODEL)), 'BUS_CLOSED')
})

test('a cluster - is used by several connections at once, which each deploy and take down', async t => {
  const { open, attach } = await running(t, 2)
  const [one, two] = [await open({ connectTimeoutMs: LISTEN_MS }), await open()]
  await one.deploy(doubler(3), { name: 'eight' })
  await two.deploy(await modelFile(t, adder(5)), { name: 'five' })
  t.deepEqual(await answersOf(two, 'eight', [1, 2]), [8, 16])
  t.deepEqual(await answersOf(one, 'five', [1, 2]), [6, 7])
  const gone = await listen(await attach('viewer'), TOPICS.pipeline.plan('eight'))
  await two.undeploy('eight')
  await until(gone, ({ payload }) => payload.byteLength === 0)
  while ((await rejection(one.pipeline('eight'))) !== 'PIPELINE_UNKNOWN') continue
  t.deepEqual(await answersOf(one, 'five', [3]), [8])
})

test('a cluster - a deployment that fails says why, and the pipeline before it goes on', async t => {
  const { open } = await running(t, 1)
  const cluster = await open({ connectTimeoutMs: LISTEN_MS })
  await cluster.deploy(adder(5), { name: 'p' })
  const error = await t.throwsAsync(cluster.deploy(doubler(3), { name: 'p', partitions: 9 }), {
    code: 'TOO_MANY_PARTITIONS',
  })
  t.regex(error?.message ?? '', /at most 3/)
  t.deepEqual(await answersOf(cluster, 'p', [1]), [6])
  t.is(await rejection(cluster.pipeline('other')), 'PIPELINE_UNKNOWN')
})

test('a cluster - a model or an option that is none is refused before the cluster hears of it', async t => {
  const { open, attach } = await running(t, 0)
  const cluster = await open()
  const specs = await listen(await attach('viewer'), TOPICS.pipeline.specs)
  const garbage = await modelFile(t, new TextEncoder().encode('this is no model at all'))
  const absent = join(await testFolder(t), 'absent.onnx')
  t.is(await rejection(cluster.deploy(absent)), 'MODEL_NOT_FOUND')
  t.is(await rejection(cluster.deploy(garbage)), 'MODEL_INVALID')
  const cut = (await readFile(MODEL)).subarray(0, 100_000)
  t.is(await rejection(cluster.deploy(cut)), 'MODEL_TRUNCATED')
  t.is(await rejection(cluster.deploy(MODEL, { windows: 3 } as object)), 'OPTION_UNKNOWN')
  t.is(await rejection(cluster.deploy(MODEL, { window: 0 })), 'OPTION_INVALID')
  t.is(await rejection(cluster.deploy(MODEL, { name: 'No Name' })), 'OPTION_INVALID')
  t.is(await rejection(cluster.deploy(adder(1), { name: 'p' })), 'NO_WORKER')
  t.is((await until(specs)).topic, TOPICS.pipeline.spec('p'))
})

test('a cluster - without a broker, a supervisor or the right options cannot be connected to', async t => {
  const { broker } = await testBroker(t)
  const cluster = await connect(broker.url, { connectTimeoutMs: LISTEN_MS })
  t.is(await rejection(cluster.deploy(adder(1))), 'NO_SUPERVISOR')
  await cluster.close()
  t.is(await rejection(connect(broker.url, { connectTimeout: 100 } as object)), 'OPTION_UNKNOWN')
  t.is(await rejection(connect(broker.url, { root: 'No Root' })), 'TOPIC_INVALID')
  t.is(await rejection(connect('nonsense')), 'OPTION_INVALID')
  await broker.close()
  const error = await t.throwsAsync(connect(broker.url), { code: 'BROKER_UNREACHABLE' })
  t.true(error instanceof MillraceError && error.message.includes(String(broker.port)))
  t.is(await rejection(embedded({ workers: 0 })), 'OPTION_INVALID')
  t.is(await rejection(embedded({ host: '0.0.0.0' })), 'BROKER_EXPOSED')
})

test('a cluster - tells of a supervisor that failed a deployment, even of one that ended before', async t => {
  const { open, attach } = await running(t, 1)
  const bus = await attach('other')
  const stale = {
    pipeline: 'p',
    deployment: 'old',
    state: 'failed',
    epoch: 1,
    error: { code: 'NO_WORKER', message: '' },
  }
  await bus.publish(TOPICS.pipeline.status('p'), encodeControl(stale), { qos: 1, retain: true })
  const cluster = await open()
  const pipeline = await cluster.deploy(adder(1), { name: 'p' })
  const [prediction] = await firstValueFrom(from([row(1, 1)]).pipe(pipeline.infer(), toArray()))
  t.deepEqual(numbersOf(prediction?.outputs ?? {}, 'sum'), [2, 2])
})

test('a cluster - that is closed leaves nothing that keeps a process alive', async t => {
  const model = await modelFile(t, adder(1))
  const script = `
    import { firstValueFrom, from, toArray } from 'rxjs'
    import { embedded } from ${JSON.stringify(inCheckout('dist/config/index.js'))}
    const cluster = await embedded({ workers: 2 })
    const pipeline = await cluster.deploy(${JSON.stringify(model)})
    const frame = { dtype: 'float32', dims: [1, 2], data: new Float32Array(2) }
    const flow = pipeline.pull([frame, frame, frame]).pipe(pipeline.infer(), toArray())
    console.log((await firstValueFrom(flow)).length)
    await cluster.close()`
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd: inCheckout('.'),
    timeout: 150_000,
  })
  t.is((await run).stdout, '3\n')
})

test('a cluster - a connection to one that runs elsewhere keeps no process alive either', async t => {
  const { broker, open } = await running(t, 1)
  await (await open()).deploy(adder(1), { name: 'p' })
  const script = `
    import { firstValueFrom, from } from 'rxjs'
    import { connect } from ${JSON.stringify(inCheckout('dist/config/index.js'))}
    const cluster = await connect('${broker.url}')
    const pipeline = await cluster.pipeline('p')
    const frame = { dtype: 'float32', dims: [1, 2], data: Float32Array.of(1, 2) }
    const { outputs } = await firstValueFrom(from([frame]).pipe(pipeline.infer()))
    console.log(outputs.sum.data.join())
    await cluster.close()`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd: inCheckout('.'),
    timeout: 150_000,
  })
  t.is(stdout, '2,3\n')
})

test('a cluster - in this process takes frames of sensors where it is asked to, as the pipeline says', async t => {
  const cluster = await embedded({ workers: 1, ingress: true })
  t.teardown(() => cluster.close())
  await cluster.deploy(adder(5), { name: 'p', sensorTopK: 1 })
  const answers = await listen(cluster.control, cluster.topics.sensor.results('p', 's'))
  const frame = cluster.topics.sensor.frame('p', 's', 'json', 'f')
  await cluster.control.publish(frame, new TextEncoder().encode('[1, 2]'), { qos: 1 })
  const { payload } = await until(answers)
  t.like(JSON.parse(Buffer.from(payload).toString()), {
    ...{ frameId: 'f', sequence: 0, top: [{ class: 1, score: 7 }] },
    outputs: { sum: { dtype: 'float32', dims: [1, 2], data: [6, 7] } },
  })
  t.is(await rejection(cluster.deploy(adder(5), { name: 'q', imageMean: [0.5, 0.5, 0.5] })), 'OPTION_INVALID')
})
