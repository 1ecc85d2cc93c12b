import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { firstValueFrom } from 'rxjs'
import { type Cluster, embedded } from '../../config/index.js'
import { tensor, type Tensor } from '../../core/tensor.js'
import { rejection, testFolder } from '../support/actors.js'
import { floats, node, onnxBytes, value } from '../support/onnx-builder.js'

const DIMS = [1, 4]
/** Of what crosses its cut, a large last number leaves little of the others, and counts no more than they in the answer. */
const MODEL = onnxBytes({
  inputs: [value('x', 'FLOAT', DIMS)],
  outputs: [value('y', 'FLOAT', DIMS)],
  nodes: [node('Mul', ['x', 'same'], ['a']), node('Tanh', ['a'], ['y'])],
  initializers: [floats('same', [1], [1])],
})
const DEPLOYED = { name: 'p', partitions: 2, wire: 'u8' } as const

function frame(last: number): Tensor {
  return tensor('float32', DIMS, Float32Array.of(0.5, 0.3, 0.1, last))
}

async function clusterOf(t: ExecutionContext): Promise<Cluster> {
  const cluster = await embedded({ workers: 2 })
  t.teardown(() => cluster.close())
  return cluster
}

async function errorWith(cluster: Cluster, calibration: string | Tensor[]): Promise<number> {
  const pipeline = await cluster.deploy(MODEL, { ...DEPLOYED, calibration })
  const { sampleError } = await firstValueFrom(pipeline.plan$)
  await pipeline.close()
  return sampleError
}

test('deploy with calibration frames - the plan says how far answers to these are off, and too far is refused', async t => {
  const cluster = await clusterOf(t)
  t.true((await errorWith(cluster, [frame(0.2)])) < 0.01)
  const worse = await errorWith(cluster, [frame(0.2), frame(20)])
  t.true(worse > 0.02 && worse < 0.3, `${worse}`)
  t.is(await rejection(errorWith(cluster, [frame(0.2), frame(1_000)])), 'VERIFY_FAILED')
})

test('deploy with calibration frames - may have those of a dataset', async t => {
  const cluster = await clusterOf(t)
  const folder = await testFolder(t)
  const path = join(folder, 'frames.json')
  const inputs = [{ name: 'x', file: 'x', dtype: 'float32', dims: DIMS }]
  await writeFile(path, JSON.stringify({ name: 'two', count: 2, inputs }))
  await writeFile(join(folder, 'x'), Float32Array.of(0.5, 0.3, 0.1, 0.2, 0.5, 0.3, 0.1, 20))
  t.is(await errorWith(cluster, path), await errorWith(cluster, [frame(0.2), frame(20)]))
})

test('deploy with calibration frames - what is no frame of the model is refused before anything is asked for', async t => {
  const cluster = await clusterOf(t)
  const wrong = tensor('float32', [1, 5], new Float32Array(5))
  t.is(await rejection(errorWith(cluster, [frame(1), wrong])), 'FRAME_SHAPE')
  t.is(await rejection(errorWith(cluster, 'nowhere.json')), 'DATASET_INVALID')
  t.is(await rejection(errorWith(cluster, [])), 'OPTION_INVALID')
})
