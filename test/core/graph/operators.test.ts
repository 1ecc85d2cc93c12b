import { create } from '@bufbuild/protobuf'
import test from 'ava'
import { relativeError } from '../../../core/compare.js'
import { readGraph } from '../../../core/graph/index.js'
import { FunctionProtoSchema, SparseTensorProtoSchema } from '../../../core/graph/proto/onnx_pb.js'
import { chainsEqualWhole, crossings, frameFor, namesOf, openGraph, ROUNDING } from '../../support/chains.js'
import {
  float,
  floats,
  ints,
  type ModelParts,
  node,
  onnxBytes,
  onnxGraph,
  value,
} from '../../support/onnx-builder.js'
import { runChain, runModel } from '../../support/onnx-runner.js'

const SHAPE = [1, 4]
const X = value('x', 'FLOAT', SHAPE)
const Y = value('y', 'FLOAT', SHAPE)

function body(nodes: ModelParts['nodes'], output: string) {
  return onnxGraph({ outputs: [value(output, 'FLOAT', SHAPE)], nodes })
}

test('cutting - the branches of an If read outer values, nested ones too', async t => {
  const nested = node('If', ['chosen'], ['deep'], {
    then_branch: body([node('Mul', ['early', 'scale'], ['deepest'])], 'deepest'),
    else_branch: body([node('Identity', ['b'], ['other'])], 'other'),
  })
  const model: ModelParts = {
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('Tanh', ['x'], ['early']),
      node('ReduceSum', ['x'], ['sum'], { keepdims: 0 }),
      node('Greater', ['sum', 'zero'], ['chosen']),
      node('Sigmoid', ['early'], ['b']),
      node('If', ['chosen'], ['c'], {
        then_branch: body([nested, node('Add', ['deep', 'b'], ['sum of both'])], 'sum of both'),
        else_branch: body([node('Sub', ['x', 'b'], ['difference'])], 'difference'),
      }),
      node('Relu', ['c'], ['y']),
    ],
    initializers: [floats('zero', [], [0]), floats('scale', [4])],
  }
  const parts = await chainsEqualWhole(t, model)
  const { graph } = await openGraph(model)
  t.deepEqual(crossings(graph)[3], ['x', 'early', 'chosen', 'b'])
  t.deepEqual([...readGraph(parts[4]?.model ?? new Uint8Array()).initializers.keys()], ['scale'])
  t.is(graph.nodes.length, 6)
})

test('cutting - the body of a Loop reads outer values, and shadows none of its own', async t => {
  const loopBody = onnxGraph({
    inputs: [value('i', 'INT64', []), value('go', 'BOOL', []), value('state', 'FLOAT', SHAPE)],
    outputs: [value('go on', 'BOOL', []), value('next', 'FLOAT', SHAPE)],
    nodes: [
      node('Identity', ['go'], ['go on']),
      node('Mul', ['state', 'factor'], ['scaled']),
      node('Add', ['scaled', 'early'], ['next']),
    ],
    initializers: [floats('factor', [4])],
  })
  const model: ModelParts = {
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('Tanh', ['x'], ['early']),
      node('Sigmoid', ['early'], ['b']),
      node('Loop', ['three', '', 'b'], ['c'], { body: loopBody }),
      node('Relu', ['c'], ['y']),
    ],
    initializers: [ints('three', [3], [])],
  }
  await chainsEqualWhole(t, model)
  t.deepEqual(crossings((await openGraph(model)).graph), [['early'], ['early', 'b'], ['c']])
})

test('cutting - local functions and operators of other domains run in the parts, with their versions', async t => {
  const half = create(FunctionProtoSchema, {
    name: 'HalfTanh',
    domain: 'local',
    input: ['v'],
    output: ['r'],
    opsetImport: [{ domain: '', version: 17n }],
    node: [
      node('Constant', [], ['half'], { value_float: float(0.5) }),
      node('Tanh', ['v'], ['h']),
      node('Mul', ['h', 'half'], ['r']),
    ],
  })
  const parts = await chainsEqualWhole(t, {
    opsets: { '': 17, local: 3, 'com.microsoft': 1 },
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('local::HalfTanh', ['x'], ['a']),
      node('com.microsoft::FastGelu', ['a'], ['b']),
      node('local::HalfTanh', ['b'], ['c']),
      node('ai.onnx::Relu', ['c'], ['y']),
    ],
    functions: [half],
  })
  t.is(parts.length, 4)
  for (const { model } of parts) {
    const { opsetImport, functions } = readGraph(model).model
    t.deepEqual(
      opsetImport.map(({ domain, version }) => [domain, version]),
      [
        ['', 17n],
        ['local', 3n],
        ['com.microsoft', 1n],
      ],
    )
    t.deepEqual(functions, [half])
  }
})

test('cutting - a symbolic batch stays a symbol and takes any size', async t => {
  const parts = await chainsEqualWhole(
    t,
    {
      inputs: [value('x', 'FLOAT', ['batch', 4])],
      outputs: [value('y', 'FLOAT', ['batch', 2])],
      nodes: [
        node('MatMul', ['x', 'w'], ['a']),
        node('Shape', ['a'], ['shape']),
        node('Gather', ['shape', 'first'], ['n']),
        node('Concat', ['n', 'rest'], ['to'], { axis: 0 }),
        node('Reshape', ['a', 'to'], ['b']),
        node('ReduceMax', ['b'], ['y'], { axes: [2], keepdims: 0 }),
      ],
      values: [value('a', 'FLOAT', ['batch', 4])],
      initializers: [floats('w', [4, 4]), ints('first', [0]), ints('rest', [2, 2])],
    },
    [1, 3],
  )
  t.deepEqual(parts[0]?.outputs, [{ name: 'a', dtype: 'float32', dims: ['batch', 4] }])
  t.deepEqual(
    parts.at(-1)?.inputs.map(({ dims }) => dims),
    [['batch', 2, 2]],
  )
})

test('cutting - an optional input that is left out stays left out', async t => {
  await chainsEqualWhole(t, {
    inputs: [X],
    outputs: [Y],
    nodes: [node('Tanh', ['x'], ['a']), node('Clip', ['a', '', 'top'], ['b']), node('Relu', ['b'], ['y'])],
    initializers: [floats('top', [], [0.25])],
  })
})

test('cutting - outputs of a node that are left out stay left out', async t => {
  await chainsEqualWhole(t, {
    inputs: [X],
    outputs: [value('y', 'FLOAT', [1, 1, 2])],
    nodes: [
      node('Unsqueeze', ['x', 'zero'], ['sequence']),
      node('RNN', ['sequence', 'w', 'r'], ['', 'last'], { hidden_size: 2 }),
      node('Neg', ['last'], ['y']),
    ],
    initializers: [ints('zero', [0]), floats('w', [1, 2, 4]), floats('r', [1, 2, 2])],
  })
})

test('cutting - a file of IR version 3 lists initializers as inputs, its parts too', async t => {
  const parts = await chainsEqualWhole(t, {
    irVersion: 3,
    opsets: { '': 8 },
    inputs: [X, value('w', 'FLOAT', [4, 4]), value('v', 'FLOAT', [4, 4])],
    outputs: [Y],
    nodes: [node('MatMul', ['x', 'w'], ['a']), node('Tanh', ['a'], ['b']), node('MatMul', ['b', 'v'], ['y'])],
    initializers: [floats('w', [4, 4]), floats('v', [4, 4])],
  })
  t.deepEqual(
    parts.map(({ inputs }) => namesOf(inputs)),
    [['x'], ['a'], ['b']],
  )
  t.deepEqual(
    parts.map(({ model }) => readGraph(model).model.graph?.input.map(({ name }) => name)),
    [['x', 'w'], ['a'], ['b', 'v']],
  )
})

test('cutting - strings, integers, booleans, half and double precision cross', async t => {
  const parts = await chainsEqualWhole(t, {
    opsets: { '': 17, 'ai.onnx.ml': 2 },
    inputs: [X, value('words', 'STRING', [3])],
    outputs: [value('codes', 'INT64', [3]), Y],
    nodes: [
      node('Identity', ['words'], ['copied']),
      node('Cast', ['x'], ['long'], { to: 7 }),
      node('Cast', ['x'], ['half'], { to: 10 }),
      node('Cast', ['x'], ['double'], { to: 11 }),
      node('Greater', ['x', 'zero'], ['above']),
      node('Cast', ['x'], ['byte'], { to: 2 }),
      node('Where', ['above', 'x', 'zero'], ['positive']),
      node('Cast', ['half'], ['from half'], { to: 1 }),
      node('Cast', ['long'], ['from long'], { to: 1 }),
      node('Cast', ['double'], ['from double'], { to: 1 }),
      node('Cast', ['byte'], ['from byte'], { to: 1 }),
      node('Sum', ['positive', 'from half', 'from long', 'from double', 'from byte'], ['y']),
      node('ai.onnx.ml::LabelEncoder', ['copied'], ['codes'], {
        keys_strings: ['word-1', 'word-2', 'word-3'],
        values_int64s: [10, 20, 30],
      }),
    ],
    initializers: [floats('zero', [1], [0])],
  })
  t.deepEqual(
    new Set(parts.flatMap(({ outputs }) => outputs).map(({ dtype }) => dtype)),
    new Set(['string', 'int64', 'float16', 'float64', 'bool', 'uint8', 'float32']),
  )
})

test('cutting - scalars and tensors without elements cross', async t => {
  await chainsEqualWhole(t, {
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('Slice', ['x', 'none', 'none', 'axis'], ['empty']),
      node('ReduceMax', ['x'], ['most'], { keepdims: 0 }),
      node('Concat', ['empty', 'x'], ['all'], { axis: 1 }),
      node('Sub', ['all', 'most'], ['y']),
    ],
    initializers: [ints('none', [0]), ints('axis', [1])],
  })
})

test('cutting - a sparse initializer goes where it is read', async t => {
  const sparse = create(SparseTensorProtoSchema, {
    values: floats('w', [3], [1, 2, 3]),
    indices: ints('places', [0, 5, 10]),
    dims: [4n, 4n],
  })
  const model = {
    inputs: [X],
    outputs: [Y],
    nodes: [node('MatMul', ['x', 'w'], ['a']), node('Tanh', ['a'], ['y'])],
  }
  const { graph, cut } = await openGraph({ ...model, sparse: [sparse] })
  const feeds = frameFor(graph)
  const whole = await runModel(onnxBytes({ ...model, sparse: [sparse] }), feeds)
  t.true(relativeError(await runChain(cut([1]), feeds), whole) <= ROUNDING)
})
