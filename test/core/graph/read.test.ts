import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { type ErrorCode, MillraceError } from '../../../core/errors.js'
import { cutGraph, graphFile, readGraph } from '../../../core/graph/index.js'
import { codeOf } from '../../support/errors.js'
import {
  floats,
  type ModelParts,
  node,
  onnxBytes,
  onnxGraph,
  raw,
  value,
} from '../../support/onnx-builder.js'

/** One of everything that a file is made of: weights of several kinds, a body, a function, an annotation. */
const RICH: ModelParts = {
  inputs: [value('x', 'FLOAT', ['n', 4])],
  outputs: [value('y', 'FLOAT', ['n', 4])],
  nodes: [
    node('MatMul', ['x', 'w'], ['a']),
    node('Constant', [], ['yes'], { value: raw('', 'BOOL', [], Uint8Array.of(1)) }),
    node('If', ['yes'], ['b'], { then_branch: branch('Relu'), else_branch: branch('Neg') }),
    node('Add', ['b', 'bias'], ['y']),
  ],
  values: [value('a', 'FLOAT', ['n', 4]), value('b', 'FLOAT', ['n', 4])],
  initializers: [floats('w', [4, 4]), floats('bias', [4])],
}

function branch(operator: string) {
  return onnxGraph({ outputs: [value('inner')], nodes: [node(operator, ['a'], ['inner'])] }, operator)
}

/** What reading and using a file comes to: nothing wrong, or the code of the error; anything else is a bug. */
function outcome(bytes: Uint8Array): string {
  const code = codeOf(() => {
    const graph = readGraph(bytes)
    const cuttable = graph.positions.filter(position => position.cuttable).map(({ index }) => index)
    try {
      cutGraph(graph, cuttable)
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'GRAPH_CUT_INVALID') throw error
    }
    graphFile(graph)
  })
  if (code instanceof Error) throw code
  return code ?? 'fine'
}

function refuses(t: ExecutionContext, bytes: Uint8Array, code: ErrorCode, message: RegExp): void {
  const error = t.throws(() => readGraph(bytes, { name: 'net.onnx' }), { instanceOf: MillraceError })
  t.is(error.code, code, error.message)
  t.regex(error.message, message)
  t.regex(error.message, /net\.onnx/)
}

test('reading - refuses what is no ONNX file, and says which file', t => {
  refuses(t, new Uint8Array(), 'MODEL_INVALID', /not an ONNX model/)
  refuses(t, Buffer.from('PK\u0003\u0004 a zip archive'), 'MODEL_INVALID', /not an ONNX model/)
  refuses(t, Buffer.from('{"layers": []}'), 'MODEL_INVALID', /not an ONNX model/)
  refuses(t, new Uint8Array(1000), 'MODEL_INVALID', /not an ONNX model/)
  refuses(t, new Uint8Array(1000).fill(255), 'MODEL_INVALID', /not an ONNX model/)
})

test('reading - says of a file that lacks its end that it is truncated, wherever it ends', t => {
  const whole = onnxBytes(RICH)
  t.is(outcome(whole), 'fine')
  for (let length = 2; length < whole.length; length++) {
    t.is(outcome(whole.subarray(0, length)), 'MODEL_TRUNCATED', `${length} of ${whole.length} bytes`)
  }
})

test('reading - says the same of a file that Millrace wrote, which has the graph at its end', t => {
  const whole = graphFile(readGraph(onnxBytes(RICH)))
  for (let length = 2; length < whole.length; length++) {
    t.is(outcome(whole.subarray(0, length)), 'MODEL_TRUNCATED', `${length} of ${whole.length} bytes`)
  }
})

test('reading - takes a file with any bits flipped, or refuses it with a code', t => {
  const whole = onnxBytes(RICH)
  const flip = fc.record({ at: fc.nat(whole.length - 1), mask: fc.integer({ min: 1, max: 255 }) })
  fc.assert(
    fc.property(fc.array(flip, { minLength: 1, maxLength: 4 }), flips => {
      const bytes = whole.slice()
      for (const { at, mask } of flips) bytes[at] = (bytes[at] ?? 0) ^ mask
      outcome(bytes)
    }),
    { numRuns: 3000 },
  )
  t.pass()
})

test('reading - takes a file with bytes lost or added, or refuses it with a code', t => {
  const whole = onnxBytes(RICH)
  const edit = fc.record({
    at: fc.nat(whole.length),
    lost: fc.nat(9),
    added: fc.uint8Array({ maxLength: 9 }),
  })
  fc.assert(
    fc.property(edit, ({ at, lost, added }) => {
      outcome(Buffer.concat([whole.subarray(0, at), added, whole.subarray(at + lost)]))
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

test('reading - refuses random bytes with a code', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      t.not(outcome(bytes), 'fine')
      t.not(outcome(Uint8Array.of(8, 8, 0x3a, ...bytes)), 'fine')
    }),
    { numRuns: 1000 },
  )
})

test('reading - refuses a file nested deeper than any model', t => {
  let graph = onnxGraph({ outputs: [], nodes: [node('Relu', ['x'], ['y'])] })
  for (let depth = 0; depth < 200; depth++) {
    graph = onnxGraph({ outputs: [], nodes: [node('If', ['c'], [`y${depth}`], { then_branch: graph })] })
  }
  const nodes = [node('If', ['c'], ['y'], { then_branch: graph })]
  refuses(t, onnxBytes({ outputs: [value('y', 'FLOAT', [1])], nodes }), 'MODEL_INVALID', /depth/)
})

test('reading - believes no size that a file only claims', t => {
  const huge = { ...raw('w', 'FLOAT', [], new Uint8Array()), dims: [2n ** 40n, 2n ** 40n] }
  const bytes = onnxBytes({
    inputs: [value('x', 'FLOAT', [1])],
    outputs: [value('y', 'FLOAT', [1])],
    nodes: [
      node('Add', ['x', 'w'], ['a']),
      node('ConstantOfShape', ['w'], ['zeros']),
      node('Add', ['a', 'zeros'], ['y']),
    ],
    values: [value('a', 'FLOAT', [1])],
    initializers: [huge],
  })
  const before = process.memoryUsage().arrayBuffers
  t.is(cutGraph(readGraph(bytes), [1]).length, 2)
  t.true(process.memoryUsage().arrayBuffers - before < 1e6)
})

const X = [value('x', 'FLOAT', [1])]
const Y = [value('y', 'FLOAT', [1])]

const WRONG: Readonly<Record<string, readonly [ModelParts, ErrorCode, RegExp]>> = {
  'no operator set': [{ inputs: X, outputs: Y, nodes: [], opsets: {} }, 'MODEL_TRUNCATED', /operator set/],
  'no outputs': [
    { inputs: X, outputs: [], nodes: [node('Relu', ['x'], ['y'])] },
    'GRAPH_INVALID',
    /no outputs/,
  ],
  'an output that nothing gives': [
    { inputs: X, outputs: Y, nodes: [node('Relu', ['x'], ['z'])] },
    'GRAPH_INVALID',
    /nothing gives output 'y'/,
  ],
  'an input of a node that nothing gives': [
    { inputs: X, outputs: Y, nodes: [node('Add', ['x', 'ghost'], ['y'])] },
    'GRAPH_INVALID',
    /node 'y' reads 'ghost'/,
  ],
  'a body that reads what nothing gives': [
    {
      inputs: X,
      outputs: Y,
      nodes: [node('If', ['x'], ['y'], { then_branch: branch('Relu') })],
    },
    'GRAPH_INVALID',
    /node 'y' reads 'a'/,
  ],
  'a value given by two nodes': [
    { inputs: X, outputs: Y, nodes: [node('Relu', ['x'], ['y']), node('Neg', ['x'], ['y'])] },
    'GRAPH_INVALID',
    /'y' is given twice/,
  ],
  'a node that gives an input': [
    { inputs: X, outputs: X, nodes: [node('Relu', ['x'], ['x'])] },
    'GRAPH_INVALID',
    /'x' is given twice/,
  ],
  'two inputs of a name': [
    { inputs: [...X, ...X], outputs: Y, nodes: [node('Relu', ['x'], ['y'])] },
    'GRAPH_INVALID',
    /'x' is given twice/,
  ],
  'two initializers of a name': [
    {
      inputs: X,
      outputs: Y,
      nodes: [node('Add', ['x', 'w'], ['y'])],
      initializers: [floats('w', [1]), floats('w', [1])],
    },
    'GRAPH_INVALID',
    /'w' is given twice/,
  ],
  'two outputs of a name': [
    { inputs: X, outputs: [...Y, ...Y], nodes: [node('Relu', ['x'], ['y'])] },
    'GRAPH_INVALID',
    /output 'y' is listed twice/,
  ],
  'a node that reads its own output': [
    { inputs: X, outputs: Y, nodes: [node('Add', ['x', 'y'], ['y'])] },
    'GRAPH_INVALID',
    /node 'y' waits for itself, through 'y'$/,
  ],
  'a cycle of three': [
    {
      inputs: X,
      outputs: Y,
      nodes: [
        node('Relu', ['d'], ['y']),
        node('Add', ['x', 'd'], ['b']),
        node('Relu', ['b'], ['c']),
        node('Relu', ['c'], ['d']),
      ],
    },
    'GRAPH_INVALID',
    /node '[bcd]' waits for itself, through '[bcd]', '[bcd]', '[bcd]'$/,
  ],
  'an input that is a sequence': [
    {
      inputs: [{ ...value('x'), type: sequenceOfFloats() }],
      outputs: Y,
      nodes: [node('SequenceAt', ['x'], ['y'])],
    },
    'MODEL_UNSUPPORTED',
    /input 'x'.*sequence/,
  ],
  'an input of a type that cannot be carried': [
    { inputs: [value('x', 'BFLOAT16', [1])], outputs: Y, nodes: [node('Cast', ['x'], ['y'], { to: 1 })] },
    'MODEL_UNSUPPORTED',
    /input 'x'.*bfloat16/,
  ],
  'an output of a type that cannot be carried': [
    { inputs: X, outputs: [value('y', 'BFLOAT16', [1])], nodes: [node('Cast', ['x'], ['y'], { to: 16 })] },
    'MODEL_UNSUPPORTED',
    /output 'y'.*bfloat16/,
  ],
  'an input without a rank': [
    { inputs: [value('x', 'FLOAT')], outputs: Y, nodes: [node('Relu', ['x'], ['y'])] },
    'MODEL_UNSUPPORTED',
    /input 'x'.*rank/,
  ],
}

function sequenceOfFloats(): NonNullable<ReturnType<typeof value>['type']> {
  const elemType = value('', 'FLOAT', []).type
  const type = value('', 'FLOAT', []).type
  if (type === undefined || elemType === undefined) throw new Error('a tensor has a type')
  return {
    ...type,
    value: { case: 'sequenceType', value: { $typeName: 'onnx.TypeProto.Sequence', elemType } },
  }
}

for (const [what, [parts, code, message]] of Object.entries(WRONG)) {
  test(`reading - refuses ${what}, and names it`, t => refuses(t, onnxBytes(parts), code, message))
}

test('reading - takes nodes in any order of the file, and keeps that order where it can', t => {
  const graph = readGraph(
    onnxBytes({
      inputs: X,
      outputs: Y,
      nodes: [
        node('Add', ['b', 'c'], ['y']),
        node('Relu', ['a'], ['b']),
        node('Neg', ['x'], ['c']),
        node('Relu', ['x'], ['a']),
      ],
    }),
  )
  t.deepEqual(
    graph.nodes.map(({ name }) => name),
    ['c', 'a', 'b', 'y'],
  )
})

test('reading - leaves out what no output needs', t => {
  const graph = readGraph(
    onnxBytes({
      inputs: X,
      outputs: Y,
      nodes: [node('Neg', ['x'], ['lost']), node('Relu', ['x'], ['y']), node('Relu', ['y'], ['also lost'])],
    }),
  )
  t.deepEqual(
    graph.nodes.map(({ name }) => name),
    ['y'],
  )
  t.deepEqual(graph.positions, [])
})

test('reading - a graph of many nodes is read without deep calls', t => {
  const nodes = Array.from({ length: 20_000 }, (_, i) =>
    node('Relu', [i === 0 ? 'x' : `v${i - 1}`], [`v${i}`]),
  )
  const bytes = onnxBytes({ inputs: X, outputs: [value('v19999', 'FLOAT', [1])], nodes })
  t.is(readGraph(bytes).positions.length, 19_999)
})

test('reading - refuses a graph that is so wide that listing its positions would fill the memory', t => {
  const names = Array.from({ length: 5000 }, (_, i) => `v${i}`)
  const nodes = [...names.map(name => node('Relu', ['x'], [name])), node('Sum', names, ['y'])]
  refuses(t, onnxBytes({ inputs: X, outputs: Y, nodes }), 'MODEL_UNSUPPORTED', /too wide/)
})
