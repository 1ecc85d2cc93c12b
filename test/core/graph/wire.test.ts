import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { halfToFloat, relativeError } from '../../../core/compare.js'
import { MillraceError } from '../../../core/errors.js'
import { type Partition, readGraph } from '../../../core/graph/index.js'
import { syntheticFrame } from '../../../core/synthetic/index.js'
import { toHalves } from '../../../core/synthetic/half.js'
import { type Tensor, tensor, type Tensors } from '../../../core/tensor.js'
import { LossyWire } from '../../../core/wire.js'
import { frameFor, namesOf, openGraph } from '../../support/chains.js'
import {
  floats,
  ints,
  type ModelParts,
  node,
  onnxBytes,
  onnxGraph,
  value,
} from '../../support/onnx-builder.js'
import { runChain, runModel, type RunPartition } from '../../support/onnx-runner.js'
import { quantised } from '../../support/quantised.js'
import { graphPlan, randomModel } from '../../support/random-graphs.js'

/** Where a value lies between two steps, the operator and its imitation here may take different ones. */
const STEP = 0.02
const LOSSY = LossyWire.options
/** The last that has no operator to quantise, and none to undo that; the last without the first; and a new one. */
const OPSETS = [9, 10, 17] as const
/** The last that cannot quantise by channel; the first that can; and the last and the first of either way to name axes. */
const CHANNEL_OPSETS = [12, 13, 17, 18] as const

/** What is left of what travels, as the operators are defined. */
function travelled(tensors: Tensors, wire: LossyWire): Tensors {
  if (wire !== 'f16') return quantised(tensors, wire === 'u8' ? 'tensor' : 'channel')
  return Object.fromEntries(
    Object.entries(tensors).map(([name, one]) => [name, one.dtype === 'float32' ? throughHalves(one) : one]),
  )
}

function throughHalves({ dims, data }: Tensor): Tensor {
  const halves = toHalves(data instanceof Float32Array ? data : new Float32Array())
  return tensor('float32', dims, Float32Array.from(halves, halfToFloat))
}

/** A model, cut at all its positions. */
async function cutEverywhere(parts: ModelParts, wire: LossyWire, opset = 17) {
  const model = onnxBytes({ ...parts, opsets: { '': opset } })
  const { graph, cut } = await openGraph(model)
  const cuts = graph.positions.map(({ index }) => index)
  return { model, graph, parts: cut(cuts, wire), exact: cut(cuts) }
}

function encoders(parts: readonly Partition[]): string[] {
  return parts.flatMap(({ encodes }) => encodes.map(one => one.value))
}

test('wire - random graphs cut anywhere give what they give if each tensor that crosses is rounded once', async t => {
  let coded = 0
  let channelled = 0
  await fc.assert(
    fc.asyncProperty(
      graphPlan,
      fc.array(fc.nat(), { minLength: 1, maxLength: 6 }),
      fc.constantFrom(...LOSSY),
      fc.constantFrom(...OPSETS),
      async (plan, places, wire, opset) => {
        const bytes = onnxBytes({ ...randomModel(plan, false), opsets: { '': opset } })
        const { graph, cut } = await openGraph(bytes)
        const cuts = [...new Set(places.map(place => 1 + (place % Math.max(1, graph.positions.length))))]
          .filter(index => index <= graph.positions.length)
          .sort((a, b) => a - b)
        const [parts, exact] = [cut(cuts, wire), cut(cuts)]
        const outputs = new Set(namesOf(graph.outputs))
        const rounding: RunPartition = async ({ model }, feeds) => {
          const made = Object.entries(await runModel(model, feeds))
          const kept = made.filter(([name]) => outputs.has(name))
          const sent = made.filter(([name]) => !outputs.has(name))
          return { ...Object.fromEntries(kept), ...travelled(Object.fromEntries(sent), wire) }
        }
        const feeds = frameFor(graph)
        const error = relativeError(await runChain(parts, feeds), await runChain(exact, feeds, rounding))
        t.true(error <= STEP, `${wire}, opset ${opset}, cut at ${cuts.join(', ')}: ${error}`)
        t.is(new Set(encoders(parts)).size, encoders(parts).length, 'each is converted once')
        t.deepEqual(parts[0]?.receives, exact[0]?.receives)
        t.deepEqual(parts.at(-1)?.sends, exact.at(-1)?.sends)
        for (const [i, { receives }] of parts.slice(1).entries()) t.deepEqual(receives, parts[i]?.sends)
        for (const { model } of parts) t.is(Number(readGraph(model).model.opsetImport[0]?.version), opset)
        coded += encoders(parts).length
        channelled += parts.flatMap(({ encodes }) => encodes.filter(one => one.wire === 'u8c')).length
      },
    ),
    { numRuns: 150 },
  )
  t.true(channelled > 0)
  t.log(`${coded} tensors converted, ${channelled} of them by channel`)
})

const dims = ['n', 4]

/** x, an early output, a number and floats cross; `a` is read at once, by the next operator but one, and by the last. */
const WIDE: ModelParts = {
  inputs: [value('x', 'FLOAT', dims)],
  outputs: [value('early', 'FLOAT', dims), value('y', 'FLOAT', dims)],
  nodes: [
    node('Mul', ['x', 'k'], ['early']),
    node('Add', ['early', 'k'], ['a']),
    node('Shape', ['a'], ['shape']),
    node('Tanh', ['a'], ['b']),
    node('Mul', ['a', 'b'], ['c']),
    node('Reshape', ['c', 'shape'], ['d']),
    node('Sum', ['a', 'd', 'x', 'early', 'k'], ['y']),
  ],
  initializers: [floats('k', [4], [0.5, -1, 2, 3])],
}

for (const opset of OPSETS) {
  test(`wire - opset ${opset}: a tensor is quantised once, handed on as it is, and the rest stays exact`, async t => {
    const { parts, exact, model, graph } = await cutEverywhere(WIDE, 'u8', opset)
    t.deepEqual(encoders(parts), ['a', 'b', 'c', 'd'])
    const readers = parts.flatMap(({ decodes }, i) => decodes.map(one => `${one.value} in ${i}`))
    t.deepEqual(readers, ['a in 2', 'a in 3', 'a in 4', 'b in 4', 'c in 5', 'a in 6', 'd in 6'])
    t.deepEqual(parts[5]?.carries, ['x', 'early', 'a#u8', 'a#u8.scale', 'a#u8.zero'])
    t.true(parts.slice(1, -1).every(({ sends }) => sends.includes('x') && sends.includes('early')))
    t.true(parts[3]?.sends.includes('shape'))
    t.deepEqual(
      parts.map(({ wire }) => wire),
      ['f32', 'u8', 'u8', 'u8', 'u8', 'u8', 'f32'],
    )
    t.deepEqual(
      parts.map(({ operators }) => operators),
      exact.map(({ operators }) => operators),
    )
    const feeds = frameFor(graph, 3)
    const [{ early, y }, whole] = [await runChain(parts, feeds), await runModel(model, feeds)]
    t.deepEqual(early, whole['early'])
    const error = y === undefined ? NaN : relativeError({ y }, { y: whole['y'] ?? y })
    t.true(error > 0 && error < 0.02, `${error}`)
  })
}

test('wire - a part converts by itself where its operator set can, and is never raised to one that can', async t => {
  const besides = async (wire: LossyWire, opset: number) => {
    const { parts } = await cutEverywhere(WIDE, wire, opset)
    for (const { model } of parts) t.is(Number(readGraph(model).model.opsetImport[0]?.version), opset)
    const [decodes, encodes] = [parts.flatMap(one => one.decodes), parts.flatMap(one => one.encodes)]
    return [decodes, encodes].map(codings => [...new Set(codings.map(({ beside }) => beside))])
  }
  t.deepEqual(await besides('u8', 9), [[true], [true]])
  t.deepEqual(await besides('u8', 10), [[false], [true]])
  t.deepEqual(await besides('u8', 11), [[false], [false]])
  t.deepEqual(await besides('f16', 9), [[false], [false]])
})

const images = ['n', 4, 2, 3]

/** What crosses first has channels of very different ranges, one of them without any; what crosses then is a matrix. */
const CHANNELS: ModelParts = {
  inputs: [value('x', 'FLOAT', images)],
  outputs: [value('y', 'FLOAT', ['n', 24])],
  nodes: [
    node('Mul', ['x', 'ranges'], ['v']),
    node('Div', ['v', 'divisors'], ['even']),
    node('Flatten', ['even'], ['flat']),
    node('Neg', ['flat'], ['y']),
  ],
  initializers: [
    floats('ranges', [1, 4, 1, 1], [1e-3, 1, 1_000, 0]),
    floats('divisors', [1, 4, 1, 1], [1e-3, 1, 1_000, 1]),
  ],
}

for (const opset of CHANNEL_OPSETS) {
  test(`wire - opset ${opset}: u8c keeps channels of small numbers beside those of large ones, and u8 does not`, async t => {
    const errorOf = async (wire: LossyWire, size: number) => {
      const { parts, graph, model } = await cutEverywhere(CHANNELS, wire, opset)
      const feeds = frameFor(graph, size)
      const sent = parts[0]?.encodes[0]
      t.is(sent?.wire, wire)
      t.is(sent?.beside, wire === 'u8c' && opset < 13)
      return relativeError(await runChain(parts, feeds), await runModel(model, feeds))
    }
    for (const size of [1, 3]) {
      const [exact, coarse] = [await errorOf('u8c', size), await errorOf('u8', size)]
      t.true(exact > 0 && exact < 0.02, `${exact}`)
      t.true(coarse > 0.3, `${coarse}`)
    }
    t.is(await errorOf('u8c', 0), 0)
  })
}

test('wire - what has no channels crosses as u8 where u8c is asked for', async t => {
  const { parts } = await cutEverywhere(CHANNELS, 'u8c')
  t.deepEqual(
    parts.map(({ sends, wire }) => [wire, ...sends]),
    [
      ['u8c', 'v#u8c', 'v#u8c.scale', 'v#u8c.zero'],
      ['u8c', 'even#u8c', 'even#u8c.scale', 'even#u8c.zero'],
      ['u8', 'flat#u8', 'flat#u8.scale', 'flat#u8.zero'],
      ['f32', 'y'],
    ],
  )
  t.deepEqual(
    parts[0]?.outputs.map(({ dtype, dims }) => [dtype, ...dims]),
    [
      ['uint8', ...images],
      ['float32', 4],
      ['uint8', 4],
    ],
  )
})

test('wire - parts of different wires have different files', async t => {
  const files = await Promise.all(
    [...LOSSY].map(async wire => (await cutEverywhere(WIDE, wire)).parts.map(({ model }) => model)),
  )
  const { exact } = await cutEverywhere(WIDE, 'u8')
  for (const i of [1, 2, 3, 4, 5, 6]) {
    t.notDeepEqual(files[0]?.[i], files[1]?.[i])
    t.notDeepEqual(files[1]?.[i], exact[i]?.model)
  }
})

/** A value above what the next operator reads, so that something crosses. */
const THROUGH: ModelParts = {
  inputs: [value('x', 'FLOAT', dims)],
  outputs: [value('y', 'FLOAT', dims)],
  nodes: [node('Mul', ['x', 'one'], ['v']), node('Mul', ['v', 'one'], ['y'])],
  initializers: [floats('one', [1], [1])],
}

/** Rows of four numbers; on wire u8c, each number of a row is of another channel. */
async function through(t: ExecutionContext, wire: LossyWire, opset: number, numbers: readonly number[]) {
  const shape = wire === 'u8c' ? ['n', 4, 1] : dims
  const model = { ...THROUGH, inputs: [value('x', 'FLOAT', shape)], outputs: [value('y', 'FLOAT', shape)] }
  const { parts } = await cutEverywhere(model, wire, opset)
  t.deepEqual(new Set(parts.flatMap(({ encodes }) => encodes.map(one => one.wire))), new Set([wire]))
  const sizes = shape.map((dim, i) => (i === 0 ? numbers.length / 4 : Number(dim)))
  const x = tensor('float32', sizes, Float32Array.from(numbers))
  try {
    const { y } = await runChain(parts, { x })
    return [...(y?.data ?? [])].map(Number)
  } catch (error) {
    t.true(error instanceof MillraceError)
    if (error instanceof MillraceError) t.regex(error.message, /'v'.*wire|'v'.*as (f16|u8c?)/)
    return error instanceof MillraceError ? error.code : error
  }
}

for (const opset of [9, 17]) {
  test(`wire - opset ${opset}: what a wire cannot carry fails, and what it can does not`, async t => {
    const lowest = -3.4028234663852886e38
    const carried = (wire: LossyWire, ...numbers: number[]) => through(t, wire, opset, numbers)
    for (const wire of ['u8', 'u8c'] as const) {
      t.is(await carried(wire, 1, NaN, 3, 4), 'WIRE_OVERFLOW')
      t.is(await carried(wire, NaN, NaN, NaN, NaN), 'WIRE_OVERFLOW')
      t.is(await carried(wire, 1, Infinity, 3, 4), 'WIRE_OVERFLOW')
      t.is(await carried(wire, 1, -Infinity, Infinity, 4), 'WIRE_OVERFLOW')
      // The range of both is none that a float32 has.
      t.is(await carried(wire, lowest, 2, 3, 4, -lowest, 2, 3, 4), 'WIRE_OVERFLOW')
      t.is(
        await carried(wire, ...Array.from({ length: 4000 }, (_, i) => (i === 2345 ? NaN : i))),
        'WIRE_OVERFLOW',
      )
      t.deepEqual(await carried(wire, 0, 0, 0, 0), [0, 0, 0, 0])
    }
    // As masks are: their sum is no number of 32 bits any more.
    t.deepEqual(await carried('u8', lowest, 0, lowest, 0), [lowest, 0, lowest, 0])
    t.deepEqual(await carried('u8c', lowest, 0, 1, 0), [lowest, 0, 1, 0])
    t.deepEqual(await carried('u8', 0, 255, 7, 70_000 / 1000), [0, 255, 7, 70])
    t.is(await carried('f16', 1, 70_000, 3, 4), 'WIRE_OVERFLOW')
    t.is(await carried('f16', 1, -Infinity, 3, 4), 'WIRE_OVERFLOW')
    t.deepEqual(await carried('f16', 1, -65_504, NaN, 0.5), [1, -65_504, NaN, 0.5])
    for (const wire of LOSSY) t.deepEqual(await carried(wire), [])
  })
}

test('wire - names that a conversion would give may be taken', async t => {
  const taken: ModelParts = {
    ...THROUGH,
    outputs: [value('y', 'FLOAT', dims), value('v#u8.nan', 'FLOAT', dims)],
    nodes: [...THROUGH.nodes, node('Neg', ['v'], ['v#u8.nan'])],
  }
  const { parts, model, graph } = await cutEverywhere(taken, 'u8')
  const feeds = frameFor(graph)
  t.true(relativeError(await runChain(parts, feeds), await runModel(model, feeds)) < 0.01)
})

test('wire - a tensor that only the body of an If reads is converted for it', async t => {
  const branch = (operator: string) =>
    onnxGraph({ outputs: [value('z', 'FLOAT', dims)], nodes: [node(operator, ['v'], ['z'])] }, operator)
  const model = onnxBytes({
    inputs: [value('x', 'FLOAT', dims)],
    outputs: [value('y', 'FLOAT', dims)],
    nodes: [
      node('Mul', ['x', 'k'], ['v']),
      node('Size', ['x'], ['size']),
      node('Greater', ['size', 'five'], ['large']),
      node('If', ['large'], ['y'], { then_branch: branch('Neg'), else_branch: branch('Exp') }),
    ],
    initializers: [floats('k', [4]), ints('five', [5], [])],
  })
  const { graph, cut } = await openGraph(model)
  const parts = cut([1, 2, 3], 'u8')
  t.deepEqual(encoders(parts), ['v'])
  for (const size of [1, 2]) {
    const feeds = syntheticFrame(graph.inputs, 1, size, { n: size })
    const error = relativeError(await runChain(parts, feeds), await runModel(model, feeds))
    t.true(error > 0 && error < 0.02, `${error}`)
  }
})
