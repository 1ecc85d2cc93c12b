import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { firstValueFrom, from, toArray } from 'rxjs'
import { partIdOfFile } from '../../../actors/model-store/index.js'
import { supervisorOptions } from '../../../actors/supervisor/index.js'
import { connect } from '../../../config/index.js'
import { relativeError } from '../../../core/compare.js'
import { Actual, Beat, PartRequest, PipelineStatus } from '../../../core/control/index.js'
import { ModelBuilder, syntheticFrame } from '../../../core/synthetic/index.js'
import { hear, testBroker, testFolder, TOPICS, until } from '../../support/actors.js'
import { CliRun } from '../../support/cli.js'
import { noise } from '../../support/onnx-builder.js'
import { runModel } from '../../support/onnx-runner.js'

const [NARROW, WIDE] = [2_048, 4_096]
const PART_BYTES = NARROW * WIDE * 4
const WORKERS = ['w1', 'w2']

/** Values that repeat after a while: to make each anew takes longer than to send it. */
function weights(name: string): Float32Array<ArrayBuffer> {
  const some = noise(name, 2 ** 16).map(one => one / 50)
  const all = new Float32Array(NARROW * WIDE)
  for (let at = 0; at < all.length; at += some.length) all.set(some, at)
  return all
}

/** Two layers of 32 MiB each. */
function heavy(): Uint8Array {
  const model = new ModelBuilder('heavy')
  const layer = (input: string, name: string, dims: readonly [number, number]) => {
    const w = model.weight(name, dims, () => weights(name))
    return model.node('MatMul', [input, w])
  }
  const hidden = model.node('Tanh', [layer(model.input('x', [1, NARROW]), 'wide', [NARROW, WIDE])])
  model.output(model.node('Tanh', [layer(hidden, 'narrow', [WIDE, NARROW])], {}, 'y'), [1, NARROW])
  return model.build()
}

async function start(t: ExecutionContext, args: readonly string[]): Promise<void> {
  const run = new CliRun(args)
  t.teardown(() => run.stop())
  await run.firstLine()
}

test('two workers that fetch large parts at once - are heard of all the time, and have the right parts', async t => {
  const { broker, connect: attach } = await testBroker(t)
  const bus = await attach('observer')
  const folder = await testFolder(t)
  const member = (command: string, id: string) =>
    start(t, [command, '--broker', broker.url, '--id', id, '--cache-dir', join(folder, id)])
  await Promise.all([member('supervisor', 'one'), ...WORKERS.map(id => member('worker', id))])

  const asked: string[] = []
  const requests = await hear(bus, TOPICS.model.requests, PartRequest)
  requests.subscribe(({ requester }) => asked.push(requester))
  const gaps: number[] = []
  const heardAt = new Map<string, number>()
  const beats = await hear(bus, TOPICS.worker.beats, Beat)
  beats.subscribe(({ worker }) => {
    gaps.push(performance.now() - (heardAt.get(worker) ?? performance.now()))
    heardAt.set(worker, performance.now())
  })
  const reported: string[] = []
  const actuals = await hear(bus, TOPICS.worker.actuals, Actual)
  actuals.subscribe(({ activations }) => reported.push(...activations.map(({ state }) => state)))
  const states: string[] = []
  const statuses = await hear(bus, TOPICS.pipeline.statuses, PipelineStatus)
  statuses.subscribe(({ state }) => states.push(state))

  const cluster = await connect(broker.url)
  t.teardown(() => cluster.close())
  const model = heavy()
  const pipeline = await cluster.deploy(model, { name: 'heavy', partitions: 2 })
  for (const id of WORKERS) await until(beats, ({ worker, actors }) => worker === id && actors.length === 1)
  await until(statuses, ({ state }) => state === 'ready')

  const [one, two] = WORKERS.map(id => [asked.indexOf(id), asked.lastIndexOf(id)] as const)
  if (one === undefined || two === undefined) return t.fail()
  t.true(one[0] < two[1] && two[0] < one[1], 'both fetched at once')
  t.true(Math.max(...gaps) < supervisorOptions.deadAfterMs.default, `longest silence ${Math.max(...gaps)} ms`)
  t.deepEqual(states, ['fetching', 'planning', 'loading', 'ready'])
  for (const id of WORKERS) {
    // Its own, and perhaps the other one by now, which it may soon have to run.
    const names = (await readdir(join(folder, id))).filter(name => name.endsWith('.onnx'))
    t.true(names.length === 1 || names.length === 2, names.join())
    for (const name of names) {
      const path = join(folder, id, name)
      t.is(`${(await partIdOfFile(path)).sha256}.onnx`, name)
      t.true((await stat(path)).size >= PART_BYTES)
    }
  }
  const frames = [0, 1].map(index =>
    syntheticFrame([{ name: 'x', dtype: 'float32', dims: [1, NARROW] }], 1, index),
  )
  const predictions = await firstValueFrom(from(frames).pipe(pipeline.infer(), toArray()))
  t.is(predictions.length, 2)
  t.false(reported.includes('failed'))
  for (const [i, { outputs }] of predictions.entries())
    t.true(relativeError(outputs, await runModel(model, frames[i] ?? {})) <= 1e-4)
  t.log(`longest silence ${Math.round(Math.max(...gaps))} ms over ${gaps.length} beats`)
})
