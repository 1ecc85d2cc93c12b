import { mkdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { create } from '@bufbuild/protobuf'
import test, { type ExecutionContext } from 'ava'
import { firstValueFrom, from, lastValueFrom, toArray } from 'rxjs'
import { embedded } from '../../config/index.js'
import { relativeError } from '../../core/compare.js'
import {
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation as Location,
} from '../../core/graph/proto/onnx_pb.js'
import { syntheticFrame } from '../../core/synthetic/index.js'
import { tensor } from '../../core/tensor.js'
import { rejection, testFolder } from '../support/actors.js'
import { floats, node, onnxBytes, value } from '../support/onnx-builder.js'
import { runModel } from '../support/onnx-runner.js'

const WIDTH = 256
/** Two of 256 KiB, which stay outside until a part is written, and two small ones. */
const WEIGHTS = [
  floats('w1', [WIDTH, WIDTH]),
  floats('b1', [WIDTH]),
  floats('w2', [WIDTH, WIDTH]),
  floats('b2', [WIDTH]),
]

function network(initializers: readonly TensorProto[], typed: boolean): Uint8Array {
  return onnxBytes({
    inputs: [value('x', 'FLOAT', ['batch', WIDTH])],
    outputs: [value('y', 'FLOAT', ['batch', WIDTH])],
    nodes: [
      node('MatMul', ['x', 'w1'], ['m']),
      node('Add', ['m', 'b1'], ['n']),
      node('Tanh', ['n'], ['t']),
      node('MatMul', ['t', 'w2'], ['o']),
      node('Add', ['o', 'b2'], ['y']),
    ],
    values: typed ? ['m', 'n', 't', 'o'].map(name => value(name, 'FLOAT', ['batch', WIDTH])) : [],
    initializers,
  })
}

/** Writes a model whose weights are in two files beside it, one of them in a folder; its path. */
async function modelInFiles(t: ExecutionContext, typed: boolean): Promise<string> {
  const folder = await testFolder(t)
  const locations = ['weights.bin', 'weights.bin', 'more/second.data', 'more/second.data']
  const files = new Map<string, Uint8Array[]>()
  const moved = WEIGHTS.map(({ name, dims, dataType, rawData }, i) => {
    const location = locations[i] ?? ''
    const before = files.get(location) ?? []
    const offset = before.reduce((sum, { byteLength }) => sum + byteLength, 0)
    files.set(location, [...before, rawData])
    const entries = { location, offset, length: rawData.byteLength }
    const externalData = Object.entries(entries).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value: String(value) }),
    )
    const rest = { dims, dataType, rawData: new Uint8Array(), externalData, dataLocation: Location.EXTERNAL }
    return Object.assign(floats(name, [0]), rest)
  })
  await mkdir(join(folder, 'more'))
  for (const [location, data] of files) await writeFile(join(folder, location), Buffer.concat(data))
  const path = join(folder, 'outside.onnx')
  await writeFile(path, network(moved, typed))
  return path
}

for (const typed of [true, false]) {
  const title = typed ? 'its types in the file' : 'types that a run must find'
  test(`a model with external data - and ${title} runs on two workers as it does uncut`, async t => {
    const cluster = await embedded({ workers: 2 })
    t.teardown(() => cluster.close())
    const pipeline = await cluster.deploy(await modelInFiles(t, typed), { partitions: 2 })
    const plan = await firstValueFrom(pipeline.plan$)
    t.deepEqual(
      plan.stages.map(({ stage, worker }) => [stage, worker]),
      [
        [0, 'w1'],
        [1, 'w2'],
      ],
    )
    t.is(plan.model.data?.length, 2)
    t.is(
      plan.stages.reduce((sum, { weightBytes }) => sum + weightBytes, 0),
      WEIGHTS.reduce((sum, { rawData }) => sum + rawData.byteLength, 0),
    )
    const inside = network(WEIGHTS, typed)
    const frames = [1, 2, 3].map(index =>
      syntheticFrame([{ ...plan.inputs[0]!, dims: [2, WIDTH] }], 1, index),
    )
    const predictions = await firstValueFrom(
      from(frames.map(frame => ({ ...frame }))).pipe(pipeline.infer(), toArray()),
    )
    t.is(predictions.length, 3)
    for (const [i, { outputs }] of predictions.entries())
      t.true(relativeError(outputs, await runModel(inside, frames[i] ?? {})) <= 1e-4)
  })
}

test('a model with external data - takes pixels, and keeps its data where it is', async t => {
  const cluster = await embedded({ workers: 2 })
  t.teardown(() => cluster.close())
  const input = { dtype: 'uint8', mean: [0.5] } as const
  const pipeline = await cluster.deploy(await modelInFiles(t, true), { partitions: 2, input })
  t.is((await firstValueFrom(pipeline.plan$)).model.data?.length, 2)
  const data = Uint8Array.from({ length: WIDTH }, (_, i) => i)
  const scaled = Float32Array.from(data, pixel => pixel / 255 - 0.5)
  const frame = { x: tensor('uint8', [1, WIDTH], data) }
  const { outputs } = await lastValueFrom(from([frame]).pipe(pipeline.infer()))
  const whole = await runModel(network(WEIGHTS, true), { x: tensor('float32', [1, WIDTH], scaled) })
  t.true(relativeError(outputs, whole) <= 1e-4)
})

test('a model with external data - whose data is gone or too short is refused before anything is sent', async t => {
  const cluster = await embedded({ workers: 1 })
  t.teardown(() => cluster.close())
  const path = await modelInFiles(t, true)
  await truncate(join(path, '../more/second.data'), 1_000)
  const error = await t.throwsAsync(cluster.deploy(path), { code: 'MODEL_DATA_MISSING' })
  t.regex(error?.message ?? '', /second\.data/)
})

test('a model file above 2 GiB - is refused with the way out', async t => {
  const cluster = await embedded({ workers: 1 })
  t.teardown(() => cluster.close())
  const path = join(await testFolder(t), 'vast.onnx')
  await writeFile(path, '')
  await truncate(path, 2 ** 31)
  t.is(await rejection(cluster.deploy(path)), 'MODEL_UNSUPPORTED')
  await t.throwsAsync(cluster.deploy(path), { message: /external data/ })
})
