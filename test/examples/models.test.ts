import { fromBinary } from '@bufbuild/protobuf'
import test from 'ava'
import { type OnnxSession, openSession } from '../../actors/session/index.js'
import { argMax } from '../../core/compare.js'
import { type GraphProto, ModelProtoSchema } from '../../core/graph/proto/onnx_pb.js'
import { syntheticFrame } from '../../core/synthetic/index.js'
import { type Tensors } from '../../core/tensor.js'
import { type Architecture, buildModel, resnet50, visionTransformer } from '../../examples/models/index.js'
import { answersTo, leastDifference } from '../support/answers.js'

/** One of each kind of calibrated layer: convolution, with batch normalisation, depthwise, fully connected. */
const SMALL: Architecture = {
  name: 'small',
  image: [3, 32, 32],
  calibrationFrames: 64,
  build: (net, input) => {
    const first = net.relu(
      net.conv('first', input, { inputs: 3, outputs: 16, size: 3, stride: 2 }, { deviation: 3, mean: 1 }),
    )
    const depthwise = net.convNorm('depthwise', first, { inputs: 16, outputs: 16, size: 3, groups: 16 })
    const pointwise = net.relu(
      net.convNorm('pointwise', net.relu(depthwise), { inputs: 16, outputs: 64, size: 1 }),
    )
    const features = net.node('Flatten', [net.node('GlobalAveragePool', [pointwise])])
    return net.linear('classifier', features, 64, 1000, { deviation: 2, mean: 5 })
  },
}

function graphOf(model: Uint8Array): GraphProto {
  const { graph } = fromBinary(ModelProtoSchema, model)
  if (!graph) throw new Error('no graph')
  return graph
}

/** Elements of the initializers, without those that are statistics and not trained. */
function trainable(graph: GraphProto): number {
  const tensors = graph.initializer.filter(
    ({ dataType, name }) => dataType === 1 && !/norm\.(mean|variance)$/.test(name),
  )
  return tensors.reduce((sum, { dims }) => sum + dims.reduce((product, dim) => product * Number(dim), 1), 0)
}

function count(graph: GraphProto, opType: string): number {
  return graph.node.filter(node => node.opType === opType).length
}

function classesOf(answers: readonly Tensors[]): number {
  return new Set(answers.map(({ logits }) => logits && argMax(logits))).size
}

/** Mean and deviation of one class over frames. */
function spread(answers: readonly Tensors[], index: number): [number, number] {
  const values = answers.map(({ logits }) => Number(logits?.data[index]))
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return [mean, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)]
}

async function takesBatches(session: OnnxSession): Promise<boolean> {
  const two = await session.run(syntheticFrame(session.inputs, 3, 0, { N: 2 }))
  return two['logits']?.dims.join() === '2,1000'
}

test('a built network - gives each class the mean and deviation it was calibrated to, on other frames too', async t => {
  const session = await openSession(await buildModel(SMALL, 1))
  const answers = await answersTo(session, 1, 200)
  await session.release()
  const spreads = [0, 100, 200, 300, 400, 500].map(index => spread(answers, index))
  const [means, deviations] = [spreads.map(([mean]) => mean), spreads.map(([, deviation]) => deviation)]
  for (const mean of means) t.true(Math.abs(mean - 5) < 1, `mean ${mean}`)
  for (const deviation of deviations) t.true(deviation > 1.3 && deviation < 2.9, `deviation ${deviation}`)
})

test('a built network - is the same file for the same seed, and another network for another', async t => {
  const [model, again, other] = [
    await buildModel(SMALL, 1),
    await buildModel(SMALL, 1),
    await buildModel(SMALL, 2),
  ]
  t.deepEqual(again, model)
  t.notDeepEqual(other, model)
})

test.serial('the vision transformer - is ViT-Ti/16 and tells 60 frames apart', async t => {
  const model = await buildModel(visionTransformer, 1)
  const graph = graphOf(model)
  t.is(count(graph, 'LayerNormalization'), 25)
  t.is(count(graph, 'Softmax'), 12)
  t.is(count(graph, 'Erf'), 12)
  // Of the named size, and the few scalars that exporters keep as initializers.
  t.is(trainable(graph), 5_717_416 + 4)
  const session = await openSession(model)
  t.true(await takesBatches(session))
  const answers = await answersTo(session, 1, 60)
  await session.release()
  t.log(`${classesOf(answers)} classes, least difference ${leastDifference(answers).toFixed(3)}`)
  t.true(classesOf(answers) >= 20)
  t.true(leastDifference(answers) > 1e-2)
})

test.serial('ResNet-50 - has the published parameters and tells frames apart', async t => {
  const model = await buildModel(resnet50, 1)
  const graph = graphOf(model)
  t.is(count(graph, 'Conv'), 53)
  t.is(count(graph, 'BatchNormalization'), 53)
  t.is(count(graph, 'Add'), 16)
  t.is(trainable(graph), 25_557_032)
  const session = await openSession(model)
  t.true(await takesBatches(session))
  const answers = await answersTo(session, 1, 12)
  await session.release()
  t.log(`${classesOf(answers)} classes of 12, least difference ${leastDifference(answers).toFixed(3)}`)
  t.true(classesOf(answers) >= 6)
  t.true(leastDifference(answers) > 1e-2)
})
