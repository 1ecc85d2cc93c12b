import test, { type ExecutionContext } from 'ava'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type OnnxSession, openSession } from '../../actors/session/index.js'
import { argMax } from '../../core/compare.js'
import { syntheticFrame } from '../../core/synthetic/index.js'
import { elementCount, type Tensors } from '../../core/tensor.js'
import {
  type Architecture,
  buildModel,
  resnet50,
  vgg,
  vgg16,
  vgg19,
  visionTransformer,
} from '../../examples/models/index.js'
import { Net } from '../../examples/models/net.js'
import { testFolder } from '../support/actors.js'
import { answersTo, leastDifference, modelAnswers } from '../support/answers.js'
import { CliRun, type Ended } from '../support/cli.js'
import { inCheckout } from '../support/index.js'
import { count, graphOf, groupsOf, trainable, weightsOf } from '../support/model-graph.js'

const BUILD = inCheckout('dist/examples/models/build.js')

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

/** Runs the model on so many frames: at least half as many classes, and no two answers alike. */
async function tellsApart(t: ExecutionContext, model: Uint8Array, frames: number): Promise<void> {
  const session = await openSession(model)
  t.true(await takesBatches(session))
  const answers = await answersTo(session, 1, frames)
  await session.release()
  const [classes, difference] = [classesOf(answers), leastDifference(answers)]
  t.log(`${classes} classes of ${frames}, least difference ${difference.toFixed(3)}`)
  t.true(classes >= frames / 2)
  t.true(difference > 1e-2)
}

/** Parameters of a network of convolutions and linear layers with biases, none of which is made for it. */
function parametersOf({ name, build }: Architecture): number {
  let parameters = 0
  class Counting extends Net {
    override weight(name: string, dims: readonly number[], deviation: number): string {
      parameters += elementCount(dims) + (dims[0] ?? 0)
      return super.weight(name, dims, deviation)
    }
  }
  build(new Counting(name, 1), 'input')
  return parameters
}

function build(...args: string[]): Promise<Ended> {
  return new CliRun(args, {}, BUILD).ended
}

test('a built network - gives each class the mean and deviation it was calibrated to, on other frames too', async t => {
  const answers = await modelAnswers(await buildModel(SMALL, 1), 1, 200)
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
  await tellsApart(t, model, 60)
})

test.serial('ResNet-50 - has the published parameters and tells frames apart', async t => {
  const model = await buildModel(resnet50, 1)
  const graph = graphOf(model)
  t.is(count(graph, 'Conv'), 53)
  t.is(count(graph, 'BatchNormalization'), 53)
  t.is(count(graph, 'Add'), 16)
  t.is(trainable(graph), 25_557_032)
  await tellsApart(t, model, 12)
})

test.serial(
  'MobileNetV2 - is written by the command, has the published parameters and tells frames apart',
  async t => {
    const path = join(await testFolder(t), 'mobilenet.onnx')
    const { status, stdout, files } = await build('mobilenet-v2', '--out', path)
    t.is(status, 0)
    t.regex(stdout, /mobilenet\.onnx: 14\.\d MB/)
    t.deepEqual(files, [])
    const model = await readFile(path)
    const graph = graphOf(model)
    t.is(count(graph, 'Conv'), 52)
    t.is(count(graph, 'BatchNormalization'), 52)
    t.is(count(graph, 'Clip'), 35)
    t.is(count(graph, 'Add'), 10)
    t.deepEqual(
      groupsOf(graph),
      [32, 96, 144, 144, 192, 192, 192, 384, 384, 384, 384, 576, 576, 576, 960, 960, 960],
    )
    // Of the named size, and the two bounds of ReLU6.
    t.is(trainable(graph), 3_504_872 + 2)
    await tellsApart(t, model, 40)
  },
)

test.serial('VGG - of an eighth of its width has the published layers and tells frames apart', async t => {
  const eighth = vgg('eighth', [2, 2, 4, 4, 4], 8)
  const model = await buildModel(eighth, 1)
  const graph = graphOf(model)
  t.is(trainable(graph), parametersOf(eighth))
  const widths = [3, 8, 8, 16, 16, ...new Array<number>(4).fill(32), ...new Array<number>(8).fill(64)]
  t.deepEqual(
    weightsOf(graph, 'Conv'),
    widths.slice(1).map((width, i) => `${width} x ${widths[i]} x 3 x 3`),
  )
  t.deepEqual(weightsOf(graph, 'Gemm'), ['512 x 3136', '512 x 512', '1000 x 512'])
  t.is(count(graph, 'MaxPool'), 5)
  t.is(count(graph, 'Relu'), 18)
  await tellsApart(t, model, 40)
})

test('VGG-16 and VGG-19 - have the published parameters', t => {
  t.is(parametersOf(vgg16), 138_357_544)
  t.is(parametersOf(vgg19), 143_667_240)
})

test('the command - names the models that there are when it is asked for another', async t => {
  const { status, stderr } = await build('vgg11')
  t.is(status, 2)
  t.regex(stderr, /resnet50 \| vgg16 \| vgg19 \| mobilenet-v2 \| vision-transformer/)
})
