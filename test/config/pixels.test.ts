import { readFile } from 'node:fs/promises'
import test, { type ExecutionContext } from 'ava'
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs'
import sharp from 'sharp'
import { openSession } from '../../actors/session/index.js'
import { type Cluster, type DeployOptions, embedded, relativeError } from '../../config/index.js'
import { versionOf } from '../../core/versions.js'
import { type Tensor, tensor, type Tensors } from '../../core/tensor.js'
import { rejection } from '../support/actors.js'
import { answersOf } from '../support/answers.js'
import { DIGITS_MODEL } from '../support/digits-frames.js'
import { inCheckout } from '../support/index.js'
import { node, onnxBytes, value } from '../support/onnx-builder.js'
import { type Line } from '../support/sensors.js'

/** As the digits were stored: 0 to 16, of which the model takes sixteenths. */
const DIGITS = { input: { dtype: 'uint8', scale: 1 / 16 } } as const satisfies DeployOptions
const COUNT = 20
const PIXELS = 64
const SIZE = 64

async function digits(): Promise<Uint8Array<ArrayBuffer>[]> {
  const images = await readFile(inCheckout('examples/digits/held-out.images'))
  return Array.from(
    { length: COUNT },
    (_, i) => new Uint8Array(images.subarray(i * PIXELS, (i + 1) * PIXELS)),
  )
}

const pixelsOf = (data: Uint8Array<ArrayBuffer>): Tensor => tensor('uint8', [1, 1, 8, 8], data)
const floatsOf = (data: Uint8Array): Tensor =>
  tensor(
    'float32',
    [1, 1, 8, 8],
    Float32Array.from(data, pixel => pixel / 16),
  )

async function clusterOf(t: ExecutionContext, workers: number, ingress = false): Promise<Cluster> {
  const cluster = await embedded({ workers, ingress })
  t.teardown(() => cluster.close())
  return cluster
}

/** Bytes of one prediction over all hops, its outputs, and what the plan is of. */
async function predicted(cluster: Cluster, model: Uint8Array, frame: Tensors, options: DeployOptions) {
  const pipeline = await cluster.deploy(model, { name: 'p', partitions: 1, ...options })
  const plan = await firstValueFrom(pipeline.plan$)
  const { bytes, outputs } = await lastValueFrom(pipeline.pull([frame]).pipe(pipeline.infer()))
  await pipeline.close()
  return { bytes, outputs, plan }
}

test('deploy with input uint8 - answers digits as the uncut model answers scaled ones, in three partitions', async t => {
  const cluster = await clusterOf(t, 3)
  const pipeline = await cluster.deploy(DIGITS_MODEL, { ...DIGITS, partitions: 3 })
  const plan = await firstValueFrom(pipeline.plan$)
  t.deepEqual(plan.inputs, [{ name: 'image', dtype: 'uint8', dims: plan.inputs[0]?.dims ?? [] }])
  t.true(plan.sampleError <= 1e-4)
  const images = await digits()
  const given = await lastValueFrom(pipeline.pull(images.map(pixelsOf)).pipe(pipeline.infer(), toArray()))
  const uncut = await readFile(DIGITS_MODEL)
  const expected = await answersOf(
    uncut,
    images.map(image => ({ image: floatsOf(image) })),
  )
  t.is(given.length, COUNT)
  for (const [i, { outputs }] of given.entries()) t.true(relativeError(outputs, expected[i] ?? {}) <= 1e-4)
  t.true(relativeError(expected[0] ?? {}, expected[1] ?? {}) > 0.01)
})

test('deploy with input uint8 - a frame of floats fails alone, and is told why', async t => {
  const cluster = await clusterOf(t, 1)
  const pipeline = await cluster.deploy(DIGITS_MODEL, DIGITS)
  const errors: string[] = []
  pipeline.ledger$.subscribe(
    entry => entry.end === 'failed' && errors.push(`${entry.error.code} ${entry.error.message}`),
  )
  const [image = new Uint8Array(PIXELS)] = await digits()
  const frames = [floatsOf(image), pixelsOf(image)]
  const given = await lastValueFrom(pipeline.pull(frames).pipe(pipeline.infer(), toArray()))
  t.is(given.length, 1)
  t.is(errors.length, 1)
  t.regex(errors[0] ?? '', /^FRAME_DTYPE input 'image' is uint8.*float32: it takes pixels of 0 to 255/)
})

test('deploy with input uint8 - a frame takes a quarter of the bytes on its way in, and another scale is another version', async t => {
  const cluster = await clusterOf(t, 1)
  const dims = [1, 3, SIZE, SIZE]
  const model = onnxBytes({
    inputs: [value('x', 'FLOAT', dims)],
    outputs: [value('y', 'FLOAT', [1, 3, 1, 1])],
    nodes: [node('GlobalAveragePool', ['x'], ['y'])],
  })
  const count = 3 * SIZE * SIZE
  const bytes = Uint8Array.from({ length: count }, (_, i) => i % 256)
  const pixels = tensor('uint8', dims, bytes)
  const scaled = tensor(
    'float32',
    dims,
    Float32Array.from(bytes, byte => byte / 255),
  )
  const exact = await predicted(cluster, model, { x: scaled }, {})
  const input = { dtype: 'uint8' } as const
  const small = await predicted(cluster, model, { x: pixels }, { input })
  t.true(relativeError(small.outputs, exact.outputs) <= 1e-4)
  // The rest is headers and the result.
  const saved = exact.bytes - small.bytes
  t.true(Math.abs(saved - 3 * count) < 100, `${saved} bytes fewer`)
  const other = await predicted(cluster, model, { x: pixels }, { input: { ...input, std: [0.5] } })
  t.true(Math.abs(Number(other.outputs['y']?.data[0]) / Number(small.outputs['y']?.data[0]) - 2) < 1e-4)
  const versions = [exact, small, other].map(({ plan }) => versionOf(plan.model))
  t.is(new Set(versions).size, 3)
  t.is(other.plan.previous?.model.sha256, small.plan.model.sha256)
})

test('deploy with input uint8 - of one of two inputs, which several partitions read', async t => {
  const cluster = await clusterOf(t, 2)
  const dims = [1, 2, 2, 3]
  const model = onnxBytes({
    inputs: [value('left', 'FLOAT', dims), value('right', 'FLOAT', dims)],
    outputs: [value('y', 'FLOAT', dims)],
    nodes: [
      node('Tanh', ['right'], ['a']),
      node('Mul', ['a', 'left'], ['b']),
      node('Tanh', ['b'], ['c']),
      node('Add', ['c', 'left'], ['y']),
    ],
  })
  const input = { left: { dtype: 'uint8', mean: [0.1, 0.2, 0.3], std: [0.5] } } as const
  const pipeline = await cluster.deploy(model, { name: 'p', partitions: 2, input })
  const bytes = Uint8Array.from({ length: 12 }, (_, i) => 20 * i)
  const right = tensor(
    'float32',
    dims,
    Float32Array.from(bytes, byte => byte / 100 - 1),
  )
  const left = Float32Array.from(bytes, (byte, i) => (byte / 255 - 0.1 * (1 + (i % 3))) / 0.5)
  const frame = { left: tensor('uint8', dims, bytes), right }
  const { outputs } = await lastValueFrom(pipeline.pull([frame]).pipe(pipeline.infer()))
  const [expected = {}] = await answersOf(model, [{ left: tensor('float32', dims, left), right }])
  t.true(relativeError(outputs, expected) <= 1e-4)
  t.is(await rejection(cluster.deploy(model, { input: { dtype: 'uint8' } })), 'OPTION_INVALID')
})

test('deploy with input uint8 - images of sensors are given to the model as pixels, once scaled', async t => {
  const cluster = await clusterOf(t, 1, true)
  const input = { dtype: 'uint8', mean: [0.25], std: [0.5] } as const
  const twice = cluster.deploy(DIGITS_MODEL, { input, imageMean: [0.25] })
  t.is(await rejection(twice), 'OPTION_INVALID')
  await (await cluster.deploy(DIGITS_MODEL, { input, name: 'digits' })).close()
  const [image = new Uint8Array(PIXELS)] = await digits()
  const grey = Uint8Array.from(image, pixel => Math.round((pixel * 255) / 16))
  const png = await sharp(grey, { raw: { width: 8, height: 8, channels: 1 } })
    .png()
    .toBuffer()
  const { sensor } = cluster.topics
  const line = new Promise<Line>((resolve, reject) => {
    const take = ({ payload }: { readonly payload: Uint8Array }) =>
      resolve(JSON.parse(new TextDecoder().decode(payload)) as Line)
    cluster.control
      .subscribe(sensor.results('digits', 'cam'), take)
      .then(() => cluster.control.publish(sensor.frame('digits', 'cam', 'image'), png, { qos: 1 }), reject)
  })
  const session = await openSession(DIGITS_MODEL)
  const values = Float32Array.from(grey, pixel => (pixel / 255 - 0.25) / 0.5)
  const { logits } = await session.run({ image: tensor('float32', [1, 1, 8, 8], values) })
  await session.release()
  const answer = (await line).outputs?.['logits']?.data
  const error = relativeError(
    { logits: tensor('float32', [1, 10], Float32Array.from(answer ?? [], Number)) },
    logits === undefined ? {} : { logits },
  )
  t.true(error <= 1e-4, `${error}`)
})
