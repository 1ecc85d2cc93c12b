import test, { type ExecutionContext } from 'ava'
import { relativeError } from '../../../core/compare.js'
import { type ErrorCode } from '../../../core/errors.js'
import { cutGraph, readGraph } from '../../../core/graph/index.js'
import { frameFor, openGraph, ROUNDING } from '../../support/chains.js'
import { codeOf } from '../../support/errors.js'
import {
  type ElementType,
  floats,
  ints,
  type ModelParts,
  node,
  onnxBytes,
  onnxGraph,
  raw,
  value,
} from '../../support/onnx-builder.js'
import { runChain, runModel } from '../../support/onnx-runner.js'

const FLOAT = 1
const BFLOAT16 = 16
const SHAPE = [1, 4]
const X = value('x', 'FLOAT', SHAPE)
const Y = value('y', 'FLOAT', SHAPE)

/** What crosses each position and cannot, or 'fine'. */
function verdicts(parts: ModelParts): string[] {
  const graph = readGraph(onnxBytes(parts))
  return graph.positions.map(({ reason, cuttable }) => {
    if (cuttable !== (reason === undefined)) throw new Error('only what is no cut has a reason')
    return reason ?? 'fine'
  })
}

function isNoCut(t: ExecutionContext, parts: ModelParts, kinds: readonly (string | undefined)[]): void {
  const found = verdicts(parts)
  t.is(found.length, kinds.length)
  for (const [i, kind] of kinds.entries()) {
    if (kind === undefined) t.is(found[i], 'fine', `position ${i + 1}`)
    else t.regex(found[i] ?? '', new RegExp(`^is crossed by '.*', whose type, ${kind}, cannot be carried$`))
  }
}

/** x → a (declared so) → b → y */
function through(type: ElementType): ModelParts {
  return {
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('Relu', ['x'], ['z']),
      node('Op', ['z'], ['a']),
      node('Op', ['a'], ['b']),
      node('Op', ['b'], ['y']),
    ],
    values: [value('a', type, SHAPE), value('b', 'FLOAT', SHAPE)],
  }
}

for (const type of [
  'BFLOAT16',
  'FLOAT8E4M3FN',
  'FLOAT8E5M2',
  'UINT4',
  'INT4',
  'COMPLEX64',
  'FLOAT4E2M1',
] as const) {
  test(`what cannot be carried - ${type} where the file says so`, t => {
    isNoCut(t, through(type), [undefined, type.toLowerCase(), undefined])
    t.is<ErrorCode | Error | undefined, ErrorCode>(
      codeOf(() => cutGraph(readGraph(onnxBytes(through(type))), [2])),
      'GRAPH_CUT_INVALID',
    )
  })
}

for (const type of [
  'FLOAT',
  'DOUBLE',
  'FLOAT16',
  'UINT8',
  'INT8',
  'UINT16',
  'INT16',
  'INT32',
  'UINT32',
  'INT64',
  'UINT64',
  'BOOL',
  'STRING',
] as const) {
  test(`what can be carried - ${type}`, t => {
    isNoCut(t, through(type), [undefined, undefined, undefined])
  })
}

test('what cannot be carried - bfloat16 that follows from a Cast, through operators that keep the type', async t => {
  const model: ModelParts = {
    opsets: { '': 21 },
    irVersion: 10,
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('Tanh', ['x'], ['a']),
      node('Cast', ['a'], ['b'], { to: BFLOAT16 }),
      node('Reshape', ['b', 'flat'], ['c']),
      node('Shape', ['c'], ['n']),
      node('Cast', ['c'], ['d'], { to: FLOAT }),
      node('Reshape', ['d', 'square'], ['e']),
      node('Flatten', ['e'], ['y']),
    ],
    initializers: [ints('flat', [4]), ints('square', [1, 4, 1])],
  }
  isNoCut(t, { ...model }, [undefined, 'bfloat16', 'bfloat16', undefined, undefined])
  const { graph, cut } = await openGraph(model)
  const feeds = frameFor(graph)
  const whole = await runModel(onnxBytes(model), feeds)
  t.true(relativeError(await runChain(cut([1, 4, 5]), feeds), whole) <= ROUNDING)
})

test('what cannot be carried - bfloat16 that follows from a constant', t => {
  const table = raw('table', 'BFLOAT16', [2, 4], new Uint8Array(16))
  const nodes = [node('Gather', ['table', 'i'], ['a']), node('Cast', ['a'], ['y'], { to: FLOAT })]
  const parts = { inputs: [value('i', 'INT64', [1])], outputs: [Y], nodes }
  isNoCut(t, { ...parts, initializers: [table] }, ['bfloat16'])
  const constant = node('Constant', [], ['table'], { value: table })
  isNoCut(t, { ...parts, nodes: [constant, ...nodes] }, ['bfloat16'])
  const cast = node('Cast', ['floats'], ['table'], { to: BFLOAT16 })
  isNoCut(t, { ...parts, nodes: [cast, ...nodes], initializers: [floats('floats', [2, 4])] }, ['bfloat16'])
})

test('what cannot be carried - a quantised type that follows from the zero point, and what comes out of it', t => {
  const zero = raw('zero', 'INT4', [], Uint8Array.of(0))
  const scale = floats('scale', [], [0.1])
  const parts = {
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('QuantizeLinear', ['x', 'scale', 'zero'], ['q']),
      node('DequantizeLinear', ['q', 'scale', 'zero'], ['d']),
      node('Relu', ['d'], ['y']),
    ],
    initializers: [zero, scale],
  }
  isNoCut(t, parts, ['int4', undefined])
  isNoCut(t, { ...parts, initializers: [raw('zero', 'INT8', [], Uint8Array.of(0)), scale] }, [
    undefined,
    undefined,
  ])
  const typed = node('QuantizeLinear', ['x', 'scale'], ['q'], { output_dtype: 17 })
  isNoCut(t, { ...parts, nodes: [typed, ...parts.nodes.slice(1)] }, ['float8e4m3fn', undefined])
})

test('what cannot be carried - sequences, of which the file does not speak', async t => {
  const model: ModelParts = {
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('Tanh', ['x'], ['a']),
      node('SplitToSequence', ['a', 'two'], ['parts'], { axis: 1 }),
      node('SequenceLength', ['parts'], ['count']),
      node('SequenceAt', ['parts', 'one'], ['last']),
      node('ConcatFromSequence', ['parts'], ['joined'], { axis: 1 }),
      node('Mul', ['joined', 'factor'], ['product']),
      node('Concat', ['last', 'product'], ['both'], { axis: 1 }),
    ],
    initializers: [ints('two', [2], []), ints('one', [1], []), floats('factor', [4])],
  }
  const whole = { ...model, outputs: [value('both', 'FLOAT', [1, 6]), value('count', 'INT64', [])] }
  isNoCut(t, whole, [undefined, 'sequence', 'sequence', 'sequence', undefined, undefined])
  const { graph, cut } = await openGraph(whole)
  const feeds = frameFor(graph)
  const expected = await runModel(onnxBytes(whole), feeds)
  t.true(relativeError(await runChain(cut([1, 5, 6]), feeds), expected) <= ROUNDING)
})

test('what cannot be carried - a sequence that an If gives', async t => {
  const branch = (operator: string) =>
    onnxGraph({
      outputs: [value(`${operator} gives`)],
      nodes: [
        node(operator, ['a'], [`${operator} half`]),
        node('SequenceConstruct', [`${operator} half`], [`${operator} gives`]),
      ],
    })
  const model: ModelParts = {
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('Tanh', ['x'], ['a']),
      node('ReduceSum', ['a'], ['sum'], { keepdims: 0 }),
      node('Cast', ['sum'], ['chosen'], { to: 9 }),
      node('If', ['chosen'], ['s'], { then_branch: branch('Relu'), else_branch: branch('Neg') }),
      node('SequenceAt', ['s', 'zero'], ['b']),
      node('Relu', ['b'], ['y']),
    ],
    initializers: [ints('zero', [0], [])],
  }
  isNoCut(t, model, [undefined, undefined, undefined, 'sequence', undefined])
  const { graph, cut } = await openGraph(model)
  const feeds = frameFor(graph)
  const whole = await runModel(onnxBytes(model), feeds)
  t.true(relativeError(await runChain(cut([1, 2, 3, 5]), feeds), whole) <= ROUNDING)
})

test('what cannot be carried - a state of a Loop that is no tensor', async t => {
  const body = onnxGraph({
    inputs: [value('i', 'INT64', []), value('go', 'BOOL', []), value('state')],
    outputs: [value('go on', 'BOOL', []), value('next'), value('seen', 'FLOAT', SHAPE)],
    nodes: [
      node('Identity', ['go'], ['go on']),
      node('SequenceInsert', ['state', 'a'], ['next']),
      node('Neg', ['a'], ['seen']),
    ],
  })
  const model: ModelParts = {
    inputs: [X],
    outputs: [value('all', 'FLOAT', [4, 4]), value('scan', 'FLOAT', [3, 1, 4])],
    nodes: [
      node('Tanh', ['x'], ['a']),
      node('SequenceConstruct', ['a'], ['first']),
      node('Loop', ['three', '', 'first'], ['s', 'scan'], { body }),
      node('ConcatFromSequence', ['s'], ['all'], { axis: 0 }),
    ],
    initializers: [ints('three', [3], [])],
  }
  isNoCut(t, model, [undefined, 'sequence', 'sequence'])
  const { graph, cut } = await openGraph(model)
  const feeds = frameFor(graph)
  const expected = await runModel(onnxBytes(model), feeds)
  t.true(relativeError(await runChain(cut([1]), feeds), expected) <= ROUNDING)
})
