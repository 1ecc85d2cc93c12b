import test from 'ava'
import fc from 'fast-check'
import { relativeError } from '../../../core/compare.js'
import { readGraph, withPixelInputs } from '../../../core/graph/index.js'
import { cutCandidates } from '../../../core/planner/index.js'
import { type PixelInputs, pixelScalings, scaledPixels } from '../../../core/sensing/index.js'
import { frameFor, namesOf, openGraph, ROUNDING } from '../../support/chains.js'
import { floats, type ModelParts, node, onnxBytes, onnxGraph, value } from '../../support/onnx-builder.js'
import { runChain, runModel } from '../../support/onnx-runner.js'
import { graphPlan, randomModel } from '../../support/random-graphs.js'

const X = value('x', 'FLOAT', [1, 3, 2, 2])
const Y = value('y', 'FLOAT', [1, 3, 2, 2])
const MEANS = { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.5] }

function withPixels(parts: ModelParts, input: PixelInputs = { dtype: 'uint8', ...MEANS }) {
  const before = onnxBytes(parts)
  const scalings = pixelScalings(readGraph(before).inputs, input)
  return { before, scalings, after: withPixelInputs(before, 'm', scalings) }
}

for (const opset of [7, 8, 11, 13, 17, 21]) {
  test(`pixels as input - opset ${opset}: the model scales them as it would have been given them`, async t => {
    const parts = { inputs: [X], outputs: [Y], nodes: [node('Neg', ['x'], ['y'])], opsets: { '': opset } }
    const { before, after, scalings } = withPixels(parts)
    const graph = readGraph(after)
    t.deepEqual(graph.inputs, [{ name: 'x', dtype: 'uint8', dims: [1, 3, 2, 2] }])
    t.deepEqual(
      graph.nodes.map(({ opType }) => opType),
      ['Cast', 'Mul', 'Add', 'Neg'],
    )
    t.deepEqual(
      graph.model.opsetImport.map(({ version }) => Number(version)),
      [opset],
    )
    const pixels = frameFor(graph)
    t.is(new Set(Array.from(pixels['x']?.data ?? [], Number)).size > 3, true)
    const expected = await runModel(before, scaledPixels(pixels, scalings))
    t.true(relativeError(await runModel(after, pixels), expected) <= ROUNDING)
  })
}

test('pixels as input - what would change nothing is left out', t => {
  const parts = { inputs: [X], outputs: [Y], nodes: [node('Neg', ['x'], ['y'])] }
  const operators = (input: PixelInputs) =>
    readGraph(withPixels(parts, input).after).nodes.map(({ opType }) => opType)
  t.deepEqual(operators({ dtype: 'uint8' }), ['Cast', 'Mul', 'Neg'])
  t.deepEqual(operators({ dtype: 'uint8', scale: 1 }), ['Cast', 'Neg'])
  t.deepEqual(operators({ dtype: 'uint8', scale: 1, mean: [128] }), ['Cast', 'Add', 'Neg'])
})

test('pixels as input - a graph of several inputs, cut anywhere, gives what the whole gives on scaled frames', async t => {
  await fc.assert(
    fc.asyncProperty(
      graphPlan,
      fc.array(fc.nat(), { maxLength: 4 }),
      fc.nat(7),
      async (plan, places, which) => {
        const parts = randomModel(plan, false)
        const given = new Set(namesOf(parts.outputs))
        const names = namesOf(parts.inputs ?? []).filter(
          (name, i) => !given.has(name) && (which >> i) % 2 === 0,
        )
        const settings = { dtype: 'uint8', scale: 1 / 255, ...MEANS } as const
        const input = Object.fromEntries(
          names.map((name, i) => [name, i === 0 ? settings : { dtype: 'uint8' as const }]),
        )
        const { before, after, scalings } = withPixels(parts, input)
        const { graph, cut } = await openGraph(after)
        const cuts = [...new Set(places.map(place => 1 + (place % Math.max(1, graph.positions.length))))]
          .filter(index => index <= graph.positions.length)
          .sort((a, b) => a - b)
        const frame = frameFor(graph)
        const whole = await runModel(before, scaledPixels(frame, scalings))
        const chain = cut(cuts)
        const error = relativeError(await runChain(chain, frame), whole)
        t.true(error <= 1e-4, `cut at ${cuts.join(', ')}: ${error}`)
      },
    ),
    { numRuns: 60 },
  )
})

test('pixels as input - that are read later cross cuts as they are', async t => {
  const parts = {
    inputs: [X, value('z', 'FLOAT', [1, 3, 2, 2])],
    outputs: [Y],
    nodes: [node('Neg', ['x'], ['a']), node('Neg', ['a'], ['b']), node('Add', ['b', 'z'], ['y'])],
  }
  const { before, after, scalings } = withPixels(parts, {
    x: { dtype: 'uint8', ...MEANS },
    z: { dtype: 'uint8' },
  })
  const { graph, cut } = await openGraph(after)
  const chain = cut([1 + graph.nodes.findIndex(({ gives }) => gives.includes('a'))])
  t.deepEqual(
    chain.map(({ carries }) => carries),
    [['z'], []],
  )
  const frame = frameFor(graph)
  const whole = await runModel(before, scaledPixels(frame, scalings))
  t.true(relativeError(await runChain(chain, frame), whole) <= 1e-4)
})

test('pixels as input - a body that reads the input reads what is scaled', async t => {
  const body = (name: string, from: string) =>
    onnxGraph({
      inputs: [],
      outputs: [value(name, 'FLOAT', [1, 3, 2, 2])],
      nodes: [node('Neg', [from], [name])],
    })
  const parts: ModelParts = {
    inputs: [X, value('c', 'BOOL', [])],
    outputs: [Y],
    nodes: [node('If', ['c'], ['y'], { then_branch: body('a', 'x'), else_branch: body('b', 'one') })],
    initializers: [floats('one', [1, 3, 2, 2])],
  }
  const { before, after, scalings } = withPixels(parts, { x: { dtype: 'uint8', ...MEANS } })
  const frame = {
    ...frameFor(readGraph(after)),
    c: { dtype: 'bool' as const, dims: [], data: Uint8Array.of(1) },
  }
  const expected = await runModel(before, scaledPixels(frame, scalings))
  t.true(relativeError(await runModel(after, frame), expected) <= ROUNDING)
})

test('pixels as input - no cut is proposed where they have become floats and nothing else was done', t => {
  const parts = {
    inputs: [X],
    outputs: [Y],
    nodes: [
      node('Neg', ['x'], ['a']),
      node('MaxPool', ['a'], ['b'], { kernel_shape: [1, 1] }),
      node('Neg', ['b'], ['y']),
    ],
  }
  const [before, after] = [
    cutCandidates(readGraph(onnxBytes(parts)), 1),
    cutCandidates(readGraph(withPixels(parts).after), 1),
  ]
  t.deepEqual(before, [1, 2])
  t.deepEqual(after, [4, 5])
})

test('pixels as input - is refused where the model cannot have it, with the reason', t => {
  const nodes = [node('Conv', ['x', 'w'], ['y'])]
  const old = {
    inputs: [X],
    outputs: [Y],
    nodes,
    initializers: [floats('w', [3, 3, 1, 1])],
    opsets: { '': 6 },
  }
  t.throws(() => withPixels(old), { code: 'MODEL_UNSUPPORTED', message: /operator set 6/ })
  const through = { inputs: [X], outputs: [X, Y], nodes: [node('Neg', ['x'], ['y'])] }
  t.throws(() => withPixels(through), { code: 'MODEL_UNSUPPORTED', message: /'x' is an output too/ })
})
