import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { type Graph, readGraph } from '../../../core/graph/index.js'
import { randomWeights } from '../../../core/synthetic/index.js'
import { openGraph } from '../../support/chains.js'
import { inCheckout, sharedModel } from '../../support/index.js'
import { floats, ints, type ModelParts, node, onnxBytes, value } from '../../support/onnx-builder.js'
import { type Level, optimizedOperators, surplus, totalOf } from '../../support/optimized.js'

const IMAGE = [1, 16, 8, 8]
const X = value('x', 'FLOAT', IMAGE)
const Y = value('y', 'FLOAT', IMAGE)
const PADS = { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }

function unmarked({ positions }: Graph): number[] {
  return positions.filter(({ cuttable, breaksFusion }) => cuttable && !breaksFusion).map(({ index }) => index)
}

/** The operators of each run of nodes that has no unmarked position inside. */
function groups(graph: Graph): string[] {
  const ends = [...unmarked(graph), graph.nodes.length]
  return ends.map((end, i) =>
    graph.nodes
      .slice(ends[i - 1] ?? 0, end)
      .map(({ opType }) => opType)
      .join(' '),
  )
}

const normalised = (name: string, channels = 16) =>
  ['scale', 'shift', 'mean', 'variance'].map(what =>
    floats(`${name}.${what}`, [channels], new Array<number>(channels).fill(what === 'variance' ? 1 : 0.5)),
  )
const normalise = (name: string, input: string, output: string) =>
  node('BatchNormalization', [input, ...normalised(name).map(tensor => tensor.name)], [output])
const weights = (name: string) => floats(name, [16, 16, 3, 3], undefined, 0.1)
const convolve = (name: string, input: string, output: string) => node('Conv', [input, name], [output], PADS)

const LAYERS: Readonly<Record<string, readonly [ModelParts, readonly string[]]>> = {
  'convolution, batch normalisation and activation': [
    {
      inputs: [X],
      outputs: [Y],
      nodes: [
        convolve('w1', 'x', 'a'),
        normalise('n1', 'a', 'b'),
        node('Relu', ['b'], ['c']),
        convolve('w2', 'c', 'd'),
        normalise('n2', 'd', 'e'),
        node('Clip', ['e', 'low', 'high'], ['f']),
        node('MaxPool', ['f'], ['y'], PADS),
      ],
      initializers: [
        ...['w1', 'w2'].map(weights),
        ...normalised('n1'),
        ...normalised('n2'),
        floats('low', [], [0]),
        floats('high', [], [6]),
      ],
    },
    ['Conv BatchNormalization Relu', 'Conv BatchNormalization Clip', 'MaxPool'],
  ],
  'a convolution with a bias as a node, and a scale': [
    {
      inputs: [X],
      outputs: [Y],
      nodes: [
        convolve('w1', 'x', 'a'),
        node('Add', ['a', 'bias'], ['b']),
        node('Relu', ['b'], ['c']),
        convolve('w2', 'c', 'd'),
        node('Mul', ['d', 'bias'], ['y']),
      ],
      initializers: [...['w1', 'w2'].map(weights), floats('bias', [16, 1, 1])],
    },
    ['Conv Add Relu', 'Conv Mul'],
  ],
  'a residual block with a convolution in its shortcut': [
    {
      inputs: [X],
      outputs: [Y],
      nodes: [
        node('MaxPool', ['x'], ['p'], PADS),
        convolve('w1', 'p', 'a'),
        node('Relu', ['a'], ['b']),
        convolve('w2', 'b', 'c'),
        convolve('w3', 'p', 'd'),
        node('Add', ['c', 'd'], ['e']),
        node('Relu', ['e'], ['f']),
        node('GlobalAveragePool', ['f'], ['y']),
      ],
      initializers: ['w1', 'w2', 'w3'].map(weights),
    },
    ['MaxPool', 'Conv Relu', 'Conv Conv Add Relu', 'GlobalAveragePool'],
  ],
  'matrix products with a bias and an activation': [
    {
      inputs: [value('x', 'FLOAT', [4, 8])],
      outputs: [value('y', 'FLOAT', [4, 8])],
      nodes: [
        node('MatMul', ['x', 'w1'], ['a']),
        node('Add', ['a', 'bias'], ['b']),
        node('Relu', ['b'], ['c']),
        node('Gemm', ['c', 'w2', 'bias'], ['d']),
        node('Tanh', ['d'], ['e']),
        node('Softmax', ['e'], ['y']),
      ],
      initializers: [floats('w1', [8, 8]), floats('w2', [8, 8]), floats('bias', [8])],
    },
    ['MatMul Add Relu', 'Gemm Tanh', 'Softmax'],
  ],
  'layer normalisation written out': [
    {
      inputs: [value('x', 'FLOAT', [1, 4, 8])],
      outputs: [value('y', 'FLOAT', [1, 4, 8])],
      nodes: [
        node('Tanh', ['x'], ['t']),
        node('ReduceMean', ['t'], ['mean'], { axes: [-1] }),
        node('Sub', ['t', 'mean'], ['centred']),
        node('Pow', ['centred', 'two'], ['squares']),
        node('ReduceMean', ['squares'], ['variance'], { axes: [-1] }),
        node('Add', ['variance', 'epsilon'], ['more']),
        node('Sqrt', ['more'], ['deviation']),
        node('Div', ['centred', 'deviation'], ['normal']),
        node('Mul', ['normal', 'scale'], ['scaled']),
        node('Add', ['scaled', 'shift'], ['z']),
        node('Sigmoid', ['z'], ['y']),
      ],
      initializers: [
        floats('two', [], [2]),
        floats('epsilon', [], [1e-5]),
        floats('scale', [8]),
        floats('shift', [8]),
      ],
    },
    ['Tanh', 'ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add', 'Sigmoid'],
  ],
  'GELU written out, with the bias before it': [
    {
      inputs: [value('x', 'FLOAT', [1, 4, 8])],
      outputs: [value('y', 'FLOAT', [1, 4, 8])],
      nodes: [
        node('Tanh', ['x'], ['m']),
        node('Add', ['m', 'bias'], ['b']),
        node('Div', ['b', 'root'], ['d']),
        node('Erf', ['d'], ['e']),
        node('Add', ['e', 'one'], ['f']),
        node('Mul', ['b', 'f'], ['g']),
        node('Mul', ['g', 'half'], ['h']),
        node('Sigmoid', ['h'], ['y']),
      ],
      initializers: [
        floats('bias', [8]),
        floats('root', [], [Math.SQRT2]),
        floats('one', [], [1]),
        floats('half', [], [0.5]),
      ],
    },
    ['Tanh', 'Add Div Erf Add Mul Mul', 'Sigmoid'],
  ],
  'what is left out of a model unless it is cut off': [
    {
      inputs: [value('x', 'FLOAT', [1, 8])],
      outputs: [value('y', 'FLOAT', [1, 8])],
      nodes: [
        node('Tanh', ['x'], ['a']),
        node('Dropout', ['a'], ['b']),
        node('Softmax', ['b'], ['c']),
        node('Identity', ['c'], ['d']),
        node('Sigmoid', ['d'], ['y']),
      ],
    },
    ['Tanh', 'Dropout Softmax', 'Identity Sigmoid'],
  ],
  'arithmetic on shapes': [
    {
      inputs: [value('x', 'FLOAT', ['n', 4, 2])],
      outputs: [value('y', 'FLOAT', ['n', 8])],
      nodes: [
        node('Tanh', ['x'], ['t']),
        node('Shape', ['t'], ['shape']),
        node('Gather', ['shape', 'zero'], ['n']),
        node('Unsqueeze', ['n', 'axis'], ['first']),
        node('Concat', ['first', 'rest'], ['to'], { axis: 0 }),
        node('Reshape', ['t', 'to'], ['r']),
        node('Relu', ['r'], ['y']),
      ],
      initializers: [ints('zero', [0], []), ints('axis', [0]), ints('rest', [8])],
    },
    ['Tanh', 'Shape Gather Unsqueeze Concat Reshape', 'Relu'],
  ],
}

for (const [what, [parts, expected]] of Object.entries(LAYERS)) {
  test(`fusion of ${what} - positions inside are marked, those between are not`, t => {
    t.deepEqual(groups(readGraph(onnxBytes(parts))), expected)
  })

  test(`fusion of ${what} - ONNX Runtime loses nothing where it is not marked`, async t => {
    await losesNothing(t, onnxBytes(parts), 'all')
  })
}

/** Cuts at all unmarked positions at once, and compares what ONNX Runtime makes of the parts and of the whole. */
async function losesNothing(t: ExecutionContext, model: Uint8Array, level: Level): Promise<void> {
  const { graph, cut } = await openGraph(model)
  const parts = cut(unmarked(graph))
  const [whole, apart] = [
    await optimizedOperators([model], level),
    await optimizedOperators(
      parts.map(part => part.model),
      level,
    ),
  ]
  t.log(
    `${graph.nodes.length} nodes, ${totalOf(whole)} optimised; ${parts.length} parts, ${totalOf(apart)} (${level})`,
  )
  t.deepEqual(surplus(apart, whole), {})
}

const FUSED = [
  'convolution, batch normalisation and activation',
  'a convolution with a bias as a node, and a scale',
  'matrix products with a bias and an activation',
  'layer normalisation written out',
  'GELU written out, with the bias before it',
]

for (const what of FUSED) {
  test(`fusion of ${what} - ONNX Runtime loses something at each position that is marked`, async t => {
    const model = onnxBytes(LAYERS[what]?.[0] ?? { outputs: [], nodes: [] })
    const { graph, cut } = await openGraph(model)
    const whole = totalOf(await optimizedOperators([model], 'all'))
    for (const { index } of graph.positions.filter(({ breaksFusion }) => breaksFusion)) {
      const parts = cut([index]).map(part => part.model)
      t.true(totalOf(await optimizedOperators(parts, 'all')) > whole, `position ${index}`)
    }
  })
}

/** Two residual blocks whose shortcut is what enters them. */
const RESIDUAL: ModelParts = {
  inputs: [X],
  outputs: [Y],
  nodes: [
    convolve('w0', 'x', 'stem'),
    ...['1', '2'].flatMap(block => {
      const before = block === '1' ? 'stem' : 'end 1'
      return [
        convolve(`w${block}`, before, `a${block}`),
        node('Relu', [`a${block}`], [`b${block}`]),
        convolve(`v${block}`, `b${block}`, `c${block}`),
        node('Add', [`c${block}`, before], [`d${block}`]),
        node('Relu', [`d${block}`], [`end ${block}`]),
      ]
    }),
    node('Tanh', ['end 2'], ['y']),
  ],
  initializers: ['w0', 'w1', 'v1', 'w2', 'v2'].map(weights),
}

test('fusion of residual sums - positions between its convolutions are not marked', t => {
  t.deepEqual(groups(readGraph(onnxBytes(RESIDUAL))), [
    'Conv',
    'Conv Relu',
    'Conv Add Relu',
    'Conv Relu',
    'Conv Add Relu',
    'Tanh',
  ])
})

test('fusion of residual sums - of a cut before or inside such blocks ONNX Runtime loses their sums, and nothing else', async t => {
  const { graph, cut } = await openGraph(onnxBytes(RESIDUAL))
  const whole = await optimizedOperators([onnxBytes(RESIDUAL)], 'all')
  const lost = await Promise.all(
    unmarked(graph).map(async index => {
      const parts = cut([index]).map(part => part.model)
      return surplus(await optimizedOperators(parts, 'all'), whole)
    }),
  )
  const [both, last] = [
    { Add: 2, Relu: 2 },
    { Add: 1, Relu: 1 },
  ]
  t.deepEqual(lost, [both, both, last, last, {}])
})

test('fusion in the digits model - unmarked positions cost no fusion, but sums after a cut', async t => {
  const model = readFileSync(inCheckout('examples/digits/digits.onnx'))
  await losesNothing(t, model, 'extended')
  const { graph, cut } = await openGraph(model)
  const parts = cut(unmarked(graph)).map(part => part.model)
  const lost = surplus(await optimizedOperators(parts, 'all'), await optimizedOperators([model], 'all'))
  // One for each block without a convolution in its shortcut.
  t.deepEqual(lost, { Add: 6, Relu: 6 })
  t.true(parts.length >= 12)
})

for (const [name, level, leastParts] of [
  ['light_squeezenet.onnx', 'all', 39],
  ['light_inception_v1.onnx', 'all', 85],
  ['light_resnet50.onnx', 'extended', 29],
] as const) {
  test.serial(`fusion in ${name} - cut at all unmarked positions it has no operator more`, async t => {
    const shared = sharedModel(name)
    if (!shared) return t.log('the folder of shared models is absent')
    // With weights that are all equal, ONNX Runtime makes one of layers that are alike.
    const model = randomWeights(shared, 1)
    t.true(unmarked(readGraph(model)).length + 1 >= leastParts)
    await losesNothing(t, model, level)
  })
}
