import { fromBinary } from '@bufbuild/protobuf'
import test from 'ava'
import { relativeError } from '../../../core/compare.js'
import { completeSpecs, cutGraph, readGraph } from '../../../core/graph/index.js'
import { ModelProtoSchema } from '../../../core/graph/proto/onnx_pb.js'
import { type Tensors } from '../../../core/tensor.js'
import { chainsEqualWhole, frameFor, openGraph, ROUNDING } from '../../support/chains.js'
import { floats, ints, type ModelParts, node, onnxBytes, value } from '../../support/onnx-builder.js'
import { runChain, runModel } from '../../support/onnx-runner.js'

const IMAGE = [1, 3, 8, 8]

/** A small network over images; what it says of the values between is up to the test. */
function imageNetwork(batch: number | string, values: ModelParts['values'] = []): ModelParts {
  return {
    inputs: [value('image', 'FLOAT', [batch, 3, 8, 8])],
    outputs: [value('scores', 'FLOAT', [batch, 5])],
    nodes: [
      node('Conv', ['image', 'w'], ['a'], { strides: [2, 2], kernel_shape: [2, 2] }),
      node('Relu', ['a'], ['b']),
      node('GlobalAveragePool', ['b'], ['c']),
      node('Flatten', ['c'], ['d']),
      node('ArgMax', ['d'], ['best'], { axis: 1, keepdims: 0 }),
      node('OneHot', ['best', 'five', 'off and on'], ['scores']),
    ],
    initializers: [floats('w', [6, 3, 2, 2]), ints('five', [5]), floats('off and on', [2], [0, 1])],
    values,
  }
}

/** dtype and dims of what each partition takes and gives. */
async function boundaries(parts: ModelParts): Promise<unknown[]> {
  const { graph, cut } = await openGraph(onnxBytes(parts))
  return cut(graph.positions.map(({ index }) => index)).map(({ inputs, outputs }) =>
    [...inputs, ...outputs].map(({ name, dtype, dims }) => `${name}: ${dtype}[${dims.join()}]`),
  )
}

test('types between parts - are found by a run where the file is silent', async t => {
  t.deepEqual(await boundaries(imageNetwork(1)), [
    ['image: float32[1,3,8,8]', 'a: float32[1,6,4,4]'],
    ['a: float32[1,6,4,4]', 'b: float32[1,6,4,4]'],
    ['b: float32[1,6,4,4]', 'c: float32[1,6,1,1]'],
    ['c: float32[1,6,1,1]', 'd: float32[1,6]'],
    ['d: float32[1,6]', 'best: int64[1]'],
    ['best: int64[1]', 'scores: float32[1,5]'],
  ])
})

test('types between parts - stand in the files of the parts, as ONNX Runtime reads them', async t => {
  const { cut } = await openGraph(onnxBytes(imageNetwork(1)))
  const [first, second] = cut([2])
  for (const { model, inputs, outputs } of [first, second].filter(part => part !== undefined)) {
    const again = readGraph(model)
    t.deepEqual([again.inputs, again.outputs], [inputs, outputs])
  }
  t.deepEqual(second?.inputs, [{ name: 'b', dtype: 'float32', dims: [1, 6, 4, 4] }])
})

test('types between parts - are those of the file where it has them, and nothing is run for them', async t => {
  const values = [
    value('a', 'FLOAT', ['batch', 6, 'rows', 4]),
    value('b', 'FLOAT', ['batch', 6, 4, null]),
    value('c', 'FLOAT', [1, 6, 1, 1]),
    value('d', 'FLOAT', [1, 6]),
    value('best', 'INT64', [1]),
  ]
  const graph = readGraph(onnxBytes(imageNetwork(1, values)))
  const specs = await completeSpecs(
    graph,
    () => Promise.reject(new Error('no run is needed')),
    () => ({}),
  )
  t.is(specs.size, 0)
  const [first, second] = cutGraph(graph, [1, 2])
  t.deepEqual(first?.outputs, [{ name: 'a', dtype: 'float32', dims: ['batch', 6, 'rows', 4] }])
  t.deepEqual(second?.outputs, [{ name: 'b', dtype: 'float32', dims: ['batch', 6, 4, null] }])
})

test('types between parts - are completed where the file has a type without a shape, or a name alone', async t => {
  const values = [value('a', 'FLOAT'), value('b'), value('best', 'INT64')]
  t.deepEqual((await boundaries(imageNetwork(1, values))).slice(1, 3), [
    ['a: float32[1,6,4,4]', 'b: float32[1,6,4,4]'],
    ['b: float32[1,6,4,4]', 'c: float32[1,6,1,1]'],
  ])
})

test('types between parts - have the symbol of the dim of the inputs that they follow', async t => {
  const parts = await chainsEqualWhole(t, imageNetwork('batch'), [1, 2, 3])
  t.deepEqual(
    parts.map(({ outputs }) => outputs[0]?.dims[0]),
    ['batch', 'batch', 'batch', 'batch', 'batch', 'batch'],
  )
  t.deepEqual(parts[0]?.outputs[0]?.dims, ['batch', 6, 4, 4])
})

test('types between parts - have no symbol where inputs disagree, or where the axis is another', async t => {
  const parts = await chainsEqualWhole(
    t,
    {
      inputs: [
        value('x', 'FLOAT', ['rows', 4]),
        value('z', 'FLOAT', ['others', 4]),
        value('w', 'FLOAT', ['rows', 4]),
      ],
      outputs: [value('y', 'FLOAT', [4, null])],
      nodes: [
        node('Concat', ['x', 'z', 'w'], ['both'], { axis: 0 }),
        node('Relu', ['x'], ['a']),
        node('Transpose', ['a'], ['turned']),
        node('Transpose', ['both'], ['all']),
        node('Concat', ['turned', 'all'], ['y'], { axis: 1 }),
      ],
    },
    [1, 2, 3],
  )
  t.deepEqual(
    parts.map(({ outputs }) => outputs[0]?.dims),
    [
      [null, 4],
      [null, 4],
      [4, null],
      [4, null],
      [4, null],
    ],
  )
})

test('types between parts - leave free what grows more slowly than the free dims of the inputs', async t => {
  const parts = await chainsEqualWhole(
    t,
    {
      inputs: [value('image', 'FLOAT', [1, 3, 'h', 'w'])],
      outputs: [value('y', 'FLOAT', [1, 3, null, null])],
      nodes: [
        node('MaxPool', ['image'], ['a'], { kernel_shape: [4, 4], strides: [4, 4], pads: [0, 0, 3, 3] }),
        node('Relu', ['a'], ['b']),
        node('Tanh', ['b'], ['y']),
      ],
    },
    [1, 2, 4, 9, 33],
  )
  t.is(parts.length, 3)
})

test('types between parts - fix no dim that follows from what a frame holds', async t => {
  const model: ModelParts = {
    inputs: [value('x', 'FLOAT', [6])],
    outputs: [value('y', 'FLOAT', [null])],
    nodes: [
      node('Greater', ['x', 'zero'], ['above']),
      node('NonZero', ['above'], ['places']),
      node('Transpose', ['places'], ['turned']),
      node('GatherND', ['x', 'turned'], ['found']),
      node('Shape', ['found'], ['count']),
      node('Concat', ['count', 'one'], ['to'], { axis: 0 }),
      node('Reshape', ['found', 'to'], ['column']),
      node('ReduceSum', ['column', 'one'], ['y'], { keepdims: 0 }),
    ],
    initializers: [floats('zero', [], [0]), ints('one', [1])],
  }
  const { graph, cut } = await openGraph(onnxBytes(model))
  const parts = cut(graph.positions.map(({ index }) => index))
  t.deepEqual(parts[0]?.outputs, [{ name: 'above', dtype: 'bool', dims: [6] }])
  t.deepEqual(parts[3]?.outputs, [{ name: 'found', dtype: 'float32', dims: [null] }])
  t.deepEqual(parts[4]?.outputs, [{ name: 'count', dtype: 'int64', dims: [1] }])
  const lengths = new Set<number | undefined>()
  for (let index = 0; index < 6; index++) {
    const feeds = frameFor(graph, 1, index)
    const whole = await runModel(onnxBytes(model), feeds)
    lengths.add(whole.y?.dims[0])
    t.true(relativeError(await runChain(parts, feeds), whole) <= ROUNDING)
  }
  t.true(lengths.size > 1, 'the frames differ in what they hold')
})

test('types between parts - keep dims that follow from the shapes of fixed inputs alone', async t => {
  const model: ModelParts = {
    inputs: [value('x', 'FLOAT', [2, 6])],
    outputs: [value('y', 'FLOAT', [3, 4])],
    nodes: [
      node('Shape', ['x'], ['shape']),
      node('Add', ['shape', 'plus'], ['to']),
      node('Reshape', ['x', 'to'], ['a']),
      node('Relu', ['a'], ['y']),
    ],
    initializers: [ints('plus', [1, -2])],
  }
  const { cut } = await openGraph(onnxBytes(model))
  t.deepEqual(cut([3])[0]?.outputs, [{ name: 'a', dtype: 'float32', dims: [3, 4] }])
})

test('types between parts - a model that takes one size alone is completed from that', async t => {
  const model: ModelParts = {
    inputs: [value('x', 'FLOAT', ['batch', 4])],
    outputs: [value('y', 'FLOAT', [1, 4])],
    nodes: [node('Reshape', ['x', 'to'], ['a']), node('Relu', ['a'], ['b']), node('Tanh', ['b'], ['y'])],
    initializers: [ints('to', [2, 2])],
  }
  const parts = await chainsEqualWhole(t, { ...model, outputs: [value('y', 'FLOAT', [2, 2])] })
  t.deepEqual(parts[0]?.outputs, [{ name: 'a', dtype: 'float32', dims: [2, 2] }])
})

test('types between parts - the error of a model that does not run is that of the run', async t => {
  const graph = readGraph(onnxBytes(imageNetwork(1)))
  const run = (): Promise<Tensors> => Promise.reject(new Error('out of memory'))
  await t.throwsAsync(
    completeSpecs(graph, run, () => frameFor(graph)),
    { message: 'out of memory' },
  )
})

test('types between parts - the run has what crosses among the outputs of the model, once each', async t => {
  const graph = readGraph(onnxBytes(imageNetwork(1)))
  let asked: string[] = []
  await completeSpecs(
    graph,
    (model, feeds) => {
      asked = fromBinary(ModelProtoSchema, model).graph?.output.map(({ name }) => name) ?? []
      t.deepEqual(feeds.image?.dims, IMAGE)
      return runModel(model, feeds)
    },
    size => frameFor(graph, size),
  )
  t.deepEqual(asked, ['scores', 'a', 'b', 'c', 'd', 'best'])
})
