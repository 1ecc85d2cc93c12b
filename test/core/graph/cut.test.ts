import test from 'ava'
import { readGraph } from '../../../core/graph/index.js'
import { chainsEqualWhole, crossings, frameFor, namesOf, openGraph } from '../../support/chains.js'
import { floats, ints, type ModelParts, node, onnxBytes, value } from '../../support/onnx-builder.js'
import { runChain, runModel } from '../../support/onnx-runner.js'

const SHAPE = [1, 4]
const X = value('x', 'FLOAT', SHAPE)
const Y = value('y', 'FLOAT', SHAPE)

test('cutting - a chain of operators, a cut after each', async t => {
  const chain: ModelParts = {
    inputs: [X],
    outputs: [Y],
    nodes: [node('Relu', ['x'], ['a']), node('Add', ['a', 'one'], ['b']), node('Tanh', ['b'], ['y'])],
    initializers: [floats('one', [4])],
  }
  const parts = await chainsEqualWhole(t, chain)
  t.deepEqual(
    parts.map(({ receives, sends, carries, operators }) => ({ receives, sends, carries, operators })),
    [
      { receives: ['x'], sends: ['a'], carries: [], operators: 1 },
      { receives: ['a'], sends: ['b'], carries: [], operators: 1 },
      { receives: ['b'], sends: ['y'], carries: [], operators: 1 },
    ],
  )
  t.deepEqual(
    parts.map(({ weightBytes }) => weightBytes),
    [0, 16, 0],
  )
})

test('cutting - no cut gives the whole as one partition', async t => {
  const { graph, cut } = await openGraph({ inputs: [X], outputs: [Y], nodes: [node('Relu', ['x'], ['y'])] })
  const parts = cut([])
  t.is(parts.length, 1)
  const feeds = frameFor(graph)
  t.deepEqual(await runChain(parts, feeds), await runModel(onnxBytes(graph.model), feeds))
})

test('cutting - an input that only a late partition reads is carried there, an early output to the end', async t => {
  const model: ModelParts = {
    inputs: [X, value('late', 'FLOAT', SHAPE)],
    outputs: [value('early', 'FLOAT', SHAPE), Y],
    nodes: [
      node('Relu', ['x'], ['early']),
      node('Tanh', ['early'], ['b']),
      node('Sigmoid', ['b'], ['c']),
      node('Add', ['c', 'late'], ['y']),
    ],
  }
  const parts = await chainsEqualWhole(t, model)
  const { graph } = await openGraph(model)
  t.deepEqual(crossings(graph), [
    ['late', 'early'],
    ['late', 'early', 'b'],
    ['late', 'early', 'c'],
  ])
  t.deepEqual(
    parts.map(({ inputs, outputs, carries }) => [namesOf(inputs), namesOf(outputs), carries]),
    [
      [['x'], ['early'], ['late']],
      [['early'], ['b'], ['late', 'early']],
      [['b'], ['c'], ['late', 'early']],
      [['late', 'c'], ['y'], ['early']],
    ],
  )
})

test('cutting - a residual connection crosses beside the main path', async t => {
  const model: ModelParts = {
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('Tanh', ['x'], ['a']),
      node('MatMul', ['a', 'w'], ['b']),
      node('Relu', ['b'], ['c']),
      node('Add', ['c', 'a'], ['y']),
    ],
    initializers: [floats('w', [4, 4])],
  }
  await chainsEqualWhole(t, model)
  const { graph } = await openGraph(model)
  t.deepEqual(crossings(graph), [['a'], ['a', 'b'], ['a', 'c']])
})

test('cutting - a skip over several cuts is listed at each and carried through the stages between', async t => {
  const model: ModelParts = {
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('Tanh', ['x'], ['a']),
      ...['b', 'c', 'd', 'e'].map((name, i) => node('Sigmoid', [['a', 'b', 'c', 'd'][i] ?? ''], [name])),
      node('Add', ['e', 'a'], ['y']),
    ],
  }
  const parts = await chainsEqualWhole(t, model)
  t.deepEqual(
    parts.map(({ carries }) => carries),
    [[], ['a'], ['a'], ['a'], ['a'], []],
  )
  t.deepEqual(
    parts.map(({ inputs }) => namesOf(inputs)),
    [['x'], ['a'], ['b'], ['c'], ['d'], ['a', 'e']],
  )
})

test('cutting - dense connections cross all at once', async t => {
  const nodes = [node('MatMul', ['x', 'w0'], ['d0'])]
  for (let i = 1; i < 5; i++) {
    const before = Array.from({ length: i }, (_, j) => `d${j}`)
    nodes.push(node('Concat', ['x', ...before], [`c${i}`], { axis: 1 }))
    nodes.push(node('MatMul', [`c${i}`, `w${i}`], [`d${i}`]))
  }
  const initializers = Array.from({ length: 5 }, (_, i) => floats(`w${i}`, [4 * (i + 1), 4]))
  const model = { inputs: [X], outputs: [value('d4', 'FLOAT', SHAPE)], nodes, initializers }
  await chainsEqualWhole(t, model)
  t.deepEqual(crossings((await openGraph(model)).graph).at(-2), ['x', 'd0', 'd1', 'd2', 'd3'])
})

test('cutting - an initializer that two partitions read is in both, one that neither reads in none', async t => {
  const parts = await chainsEqualWhole(t, {
    inputs: [X],
    outputs: [Y],
    nodes: [node('MatMul', ['x', 'w'], ['a']), node('Relu', ['a'], ['b']), node('MatMul', ['b', 'w'], ['y'])],
    initializers: [floats('w', [4, 4]), floats('unused', [1000])],
  })
  t.deepEqual(
    parts.map(({ model }) => readGraph(model)).map(({ initializers }) => [...initializers.keys()]),
    [['w'], [], ['w']],
  )
  t.deepEqual(
    parts.map(({ weightBytes }) => weightBytes),
    [64, 0, 64],
  )
})

test('cutting - what comes from constants alone never crosses, and is made where it is read', async t => {
  const model: ModelParts = {
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('Constant', [], ['k'], { value: floats('', [4]) }),
      node('Neg', ['k'], ['minus']),
      node('ConstantOfShape', ['four'], ['zeros'], { value: floats('', [1], [0.5]) }),
      node('Add', ['minus', 'zeros'], ['shift']),
      node('Add', ['x', 'k'], ['a']),
      node('Relu', ['a'], ['b']),
      node('Mul', ['b', 'shift'], ['y']),
    ],
    initializers: [ints('four', [4])],
  }
  const parts = await chainsEqualWhole(t, model)
  const { graph } = await openGraph(model)
  t.deepEqual(namesOf(graph.nodes), ['a', 'b', 'y'])
  t.deepEqual(crossings(graph), [['a'], ['b']])
  t.deepEqual(
    parts.map(({ operators, weightBytes }) => [operators, weightBytes]),
    [
      [1, 16],
      [1, 0],
      [1, 16 + 16 + 8],
    ],
  )
})

test('cutting - values made at random are no constants: each is made once', async t => {
  const { graph } = await openGraph({
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('RandomNormal', [], ['noise'], { shape: SHAPE }),
      node('Add', ['x', 'noise'], ['a']),
      node('Sub', ['a', 'noise'], ['y']),
    ],
  })
  t.deepEqual(crossings(graph), [
    ['x', 'noise'],
    ['noise', 'a'],
  ])
})

test('cutting - an output that is an input or a constant as it is arrives at the end', async t => {
  const parts = await chainsEqualWhole(t, {
    inputs: [X, value('through', 'FLOAT', SHAPE)],
    outputs: [
      value('through', 'FLOAT', SHAPE),
      Y,
      value('stored', 'FLOAT', [4]),
      value('constant', 'FLOAT', [4]),
    ],
    nodes: [
      node('Tanh', ['x'], ['a']),
      node('Constant', [], ['constant'], { value: floats('', [4]) }),
      node('Relu', ['a'], ['y']),
    ],
    initializers: [floats('stored', [4])],
  })
  t.deepEqual(
    parts.map(({ outputs, carries }) => [namesOf(outputs), carries]),
    [
      [['a'], ['through']],
      [['y', 'stored', 'constant'], ['through']],
    ],
  )
})

test('cutting - a value that is an output and is read later both leaves and goes on', async t => {
  const parts = await chainsEqualWhole(t, {
    inputs: [X],
    outputs: [value('a', 'FLOAT', SHAPE), Y],
    nodes: [node('Tanh', ['x'], ['a']), node('Sigmoid', ['a'], ['b']), node('Add', ['b', 'a'], ['y'])],
  })
  t.deepEqual(parts.at(-1)?.sends, ['a', 'y'])
})

test('cutting - an input that nothing reads is not waited for', async t => {
  const { graph, cut } = await openGraph({
    inputs: [X, value('ignored', 'FLOAT', SHAPE)],
    outputs: [Y],
    nodes: [node('Tanh', ['x'], ['a']), node('Relu', ['a'], ['y'])],
  })
  t.deepEqual(namesOf(graph.inputs), ['x', 'ignored'])
  t.deepEqual(cut([1])[0]?.receives, ['x'])
})
