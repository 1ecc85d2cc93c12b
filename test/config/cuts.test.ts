import test from 'ava'
import { firstValueFrom, lastValueFrom } from 'rxjs'
import { embedded } from '../../config/index.js'
import { deployOptions } from '../../actors/supervisor/index.js'
import { parseOptions } from '../../core/options.js'
import { tensor } from '../../core/tensor.js'
import { rejection } from '../support/actors.js'
import { floats, node, onnxBytes, value } from '../support/onnx-builder.js'

const MODEL = onnxBytes({
  inputs: [value('x', 'FLOAT', [1])],
  outputs: [value('y', 'FLOAT', [1])],
  nodes: [
    node('Mul', ['x', 'two'], ['a']),
    node('Add', ['a', 'two'], ['b']),
    node('Mul', ['b', 'two'], ['c']),
    node('Add', ['c', 'two'], ['y']),
  ],
  initializers: [floats('two', [1], [2])],
})

test('deploy with cuts - cuts the model there, and predicts as the whole does', async t => {
  const cluster = await embedded({ workers: 2 })
  t.teardown(() => cluster.close())
  const pipeline = await cluster.deploy(MODEL, { name: 'p', cuts: [1, 3] })
  const plan = await firstValueFrom(pipeline.plan$)
  t.deepEqual(plan.cuts, [1, 3])
  t.deepEqual(
    plan.stages.map(({ operators }) => operators),
    [1, 2, 1],
  )
  const frame = { x: tensor('float32', [1], Float32Array.of(5)) }
  const { outputs } = await lastValueFrom(pipeline.pull([frame]).pipe(pipeline.infer()))
  t.deepEqual([...(outputs['y']?.data ?? [])], [26])
})

test('deploy with cuts - refuses those that are out of order, or make another number of partitions than was asked for', async t => {
  const cluster = await embedded({ workers: 1 })
  t.teardown(() => cluster.close())
  for (const options of [{ cuts: [3, 1] }, { cuts: [0] }, { cuts: [1], partitions: 3 }]) {
    t.is(await rejection(cluster.deploy(MODEL, options)), 'OPTION_INVALID', JSON.stringify(options))
  }
  t.is(await rejection(cluster.deploy(MODEL, { cuts: [4] })), 'GRAPH_CUT_INVALID')
})

test('deploy with cuts - on a command line they are numbers with commas between them', t => {
  t.deepEqual(parseOptions(deployOptions, { cuts: '7,36' }, 'deploy').cuts, [7, 36])
  for (const cuts of ['', 'conv1', '7;36', '36,7']) {
    t.throws(
      () => parseOptions(deployOptions, { cuts }, 'deploy'),
      { code: 'OPTION_INVALID', message: /cuts/ },
      cuts,
    )
  }
})
