import { type OnnxSession, openSession } from '../../../actors/session/index.js'
import { relativeError } from '../../../core/compare.js'
import test from 'ava'
import fc from 'fast-check'
import { type GraphProto, type TensorProto } from '../../../core/graph/proto/onnx_pb.js'
import { ModelBuilder, randomOf, randomWeights, syntheticFrame } from '../../../core/synthetic/index.js'
import { answersTo, leastDifference, modelAnswers } from '../../support/answers.js'
import { graphOf } from '../../support/model-graph.js'
import { sharedModel } from '../../support/index.js'

const PUBLISHED = [
  'light_squeezenet.onnx',
  'light_inception_v1.onnx',
  'light_resnet50.onnx',
  'light_vgg19.onnx',
]

for (const name of PUBLISHED) {
  test.serial(`random weights for ${name} - give 20 frames 20 different answers in range`, async t => {
    const model = sharedModel(name)
    if (!model) return t.log('the folder of shared models is absent')
    const random = randomWeights(model, 1)
    const session = await openSession(random)
    const answers = await answersTo(session, 5, 20)
    const growth = await growthOfNoise(session)
    await session.release()
    const difference = leastDifference(answers)
    t.log(`${(random.length / 1e6).toFixed(0)} MB; two answers differ by ${difference.toFixed(3)} or more`)
    t.log(`noise in a frame grows ${growth.toFixed(1)} times`)
    t.true(difference > 1e-2)
    t.true(growth < 20)
    for (const { data } of answers.flatMap(outputs => Object.values(outputs))) {
      const values = Array.from(data, Number)
      t.true(values.every(Number.isFinite))
      t.true(Math.max(...values) > 1.2 / values.length && Math.max(...values) < 0.9)
    }
  })
}

/** The relative error of the answer to a frame with a little noise, against that noise. */
async function growthOfNoise(session: OnnxSession): Promise<number> {
  const frame = syntheticFrame(session.inputs, 5, 0)
  const random = randomOf('noise')
  const noisy = Object.fromEntries(
    Object.entries(frame).map(([name, { dims, data }]) => {
      const values = Float32Array.from(Array.from(data, Number), value => value + 1e-3 * random.normal())
      return [name, { dtype: 'float32' as const, dims, data: values }]
    }),
  )
  return relativeError(await session.run(noisy), await session.run(frame)) / 1e-3
}

/** A small network whose parameters all say nothing. */
function constantModel(): ModelBuilder {
  const b = new ModelBuilder('constant', 13)
  const flat = (name: string, dims: number[], value = 0.02) =>
    b.weight(name, dims, () => new Float32Array(dims.reduce((a, c) => a * c, 1)).fill(value))
  b.input('x', [1, 3, 16, 16])
  const conv = b.node('Conv', ['x', flat('w1', [8, 3, 3, 3]), flat('b1', [8])], { pads: [1, 1, 1, 1] })
  const norm = b.node('BatchNormalization', [
    conv,
    flat('s', [8]),
    flat('o', [8]),
    flat('m', [8]),
    flat('v', [8]),
  ])
  const grouped = b.node('Conv', [b.node('Relu', [norm]), flat('w2', [8, 4, 3, 3])], { group: 2 })
  const biased = b.node('Add', [grouped, flat('b2', [8, 1, 1])])
  const scaled = b.node('Mul', [b.node('Relu', [biased]), flat('half', [1], 0.5)])
  const shifted = b.node('Div', [scaled, flat('deviations', [8, 1, 1], 2)])
  const pooled = b.node('Flatten', [b.node('GlobalAveragePool', [shifted])])
  const made = b.node('ConstantOfShape', [b.integers('made-shape', [1, 8, 64])], {}, 'w3')
  const reshaped = b.node('Reshape', [made, b.integers('w3-shape', [8, -1])])
  const hidden = b.node('MatMul', [pooled, reshaped])
  const last = b.node(
    'Gemm',
    [b.node('PRelu', [hidden, flat('p', [64])]), flat('w4', [10, 64]), flat('b4', [10])],
    {
      transB: 1,
    },
  )
  b.node('Identity', [last], {}, 'y')
  b.output('y', [1, 10])
  return b
}

function valuesOf(graph: GraphProto, name: string): Float32Array {
  const tensor: TensorProto | undefined = graph.initializer.find(initializer => initializer.name === name)
  return new Float32Array(new Uint8Array(tensor?.rawData ?? []).buffer)
}

function deviation(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length)
}

test('random weights - replace what layers read as parameters, and nothing that arithmetic reads', t => {
  const before = graphOf(constantModel().build())
  const after = graphOf(randomWeights(constantModel().build(), 1))
  for (const name of ['w1', 'b1', 's', 'o', 'm', 'v', 'w2', 'b2', 'w3', 'p', 'w4', 'b4']) {
    t.true(new Set(valuesOf(after, name)).size > 4, name)
    t.is(valuesOf(after, name).length, valuesOf(before, name).length || 8 * 64)
  }
  for (const name of ['half', 'deviations']) t.deepEqual(valuesOf(after, name), valuesOf(before, name))
  t.true(valuesOf(after, 'v').every(value => value > 0.1))
  const kept = before.node.filter(({ opType }) => opType !== 'ConstantOfShape')
  t.deepEqual(after.node, kept)
  t.false(after.initializer.some(({ name }) => name === 'made-shape'))
})

test('random weights - keep each layer in range: a deviation of 1 over the root of the inputs that an output sums', t => {
  const graph = graphOf(randomWeights(constantModel().build(), 1))
  t.true(Math.abs(deviation(valuesOf(graph, 'w1')) * Math.sqrt(3 * 9) - 1) < 0.2)
  // A ReLU leaves 0.75 of the variance of values of mean 1 and deviation 1, and the weights make up for it.
  t.true(Math.abs(deviation(valuesOf(graph, 'w2')) * Math.sqrt(4 * 9 * 0.75) - 1) < 0.1)
})

test('random weights - sum to 0 for each output that reads the positive outputs of a ReLU', t => {
  const weights = valuesOf(graphOf(randomWeights(constantModel().build(), 1)), 'w2')
  for (let output = 0; output < 8; output++) {
    t.true(
      Math.abs(weights.slice(36 * output, 36 * (output + 1)).reduce((sum, value) => sum + value, 0)) < 1e-5,
    )
  }
})

test('random weights - are the same file for the same seed, and another for another', t => {
  const model = constantModel().build()
  t.deepEqual(randomWeights(model, 3), randomWeights(model, 3))
  t.notDeepEqual(randomWeights(model, 3), randomWeights(model, 4))
})

test('random weights - make answers differ that constant weights make equal', async t => {
  const model = constantModel().build()
  const answers = await modelAnswers(randomWeights(model, 1), 1, 8)
  t.true(leastDifference(answers) > 1e-2)
})

test('random weights - leave a model alone whose weights differ already', t => {
  const model = randomWeights(constantModel().build(), 1)
  t.is(randomWeights(model, 2), model)
})

test('random weights - leave a trained layer alone whose biases are all 0', t => {
  const b = new ModelBuilder('trained', 13)
  const w = b.weight('w', [4, 4], () => Float32Array.from({ length: 16 }, (_, i) => i))
  const zeros = b.weight('zeros', [4], () => new Float32Array(4))
  b.node('Gemm', [b.input('x', [1, 4]), w, zeros], {}, 'y')
  b.output('y', [1, 4])
  const model = b.build()
  t.is(randomWeights(model, 1), model)
})

test('random weights - keep a constant that a layer and arithmetic share', t => {
  const b = new ModelBuilder('shared', 13)
  const ones = b.weight('ones', [4, 4], () => new Float32Array(16).fill(1))
  const product = b.node('MatMul', [b.input('x', [1, 4]), ones])
  b.node('Sub', [product, ones], {}, 'y')
  b.output('y', [4, 4])
  t.deepEqual(valuesOf(graphOf(randomWeights(b.build(), 1)), 'ones'), new Float32Array(16).fill(1))
})

test('random weights - refuse what is not a model, whatever it is', t => {
  t.like(
    t.throws(() => randomWeights(Uint8Array.of(255, 255, 255), 1)),
    { code: 'MODEL_INVALID' },
  )
  t.like(
    t.throws(() => randomWeights(new Uint8Array(), 1)),
    { code: 'MODEL_INVALID' },
  )
  const whole = constantModel().build()
  fc.assert(
    fc.property(fc.nat(whole.length - 1), length => {
      try {
        randomWeights(whole.subarray(0, length), 1)
      } catch (error) {
        t.like(error, { code: 'MODEL_INVALID' })
      }
    }),
    { numRuns: 50 },
  )
})
