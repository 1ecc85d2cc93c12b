import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { relativeError } from '../../../core/compare.js'
import { completeSpecs, cutGraph, type Graph, readGraph } from '../../../core/graph/index.js'
import { randomWeights } from '../../../core/synthetic/index.js'
import { tensorsBytes, type TensorSpec } from '../../../core/tensor.js'
import { type Wire } from '../../../core/wire.js'
import { frameFor } from '../../support/chains.js'
import { inCheckout, sharedModel } from '../../support/index.js'
import { runChain, runModel } from '../../support/onnx-runner.js'

/** Promise 9. */
const TOLERANCE = 1e-4

/** Of lossy wires, whose errors add up over the cuts. */
const LOSSY = { f16: 5e-3, u8c: 0.1, u8: 0.1 } as const

/** Positions that cost no fusion, with as many of them in each part. */
function evenCuts(graph: Graph, parts: number): number[] {
  const good = graph.positions.filter(({ cuttable, breaksFusion }) => cuttable && !breaksFusion)
  const cuts = Array.from({ length: parts - 1 }, (_, i) => {
    const wanted = ((i + 1) * good.length) / parts
    return good[Math.floor(wanted)]?.index ?? 0
  })
  return [...new Set(cuts)]
}

async function chainEqualsWhole(
  t: ExecutionContext,
  model: Uint8Array,
  pieces: readonly number[],
  specs: ReadonlyMap<string, TensorSpec>,
): Promise<void> {
  const graph = readGraph(model)
  const feeds = frameFor(graph)
  const whole = await runModel(model, feeds)
  const stored = [...graph.initializers.values()].reduce((sum, { rawData }) => sum + rawData.byteLength, 0)
  for (const count of pieces) {
    const parts = cutGraph(graph, evenCuts(graph, count), specs)
    t.is(parts.length, count)
    const error = relativeError(await runChain(parts, feeds), whole)
    t.true(error <= TOLERANCE, `in ${count} parts: ${error}`)
    const weights = parts.reduce((sum, { weightBytes }) => sum + weightBytes, 0)
    t.true(weights >= 0.99 * stored && weights < 1.01 * stored + 1e5)
    for (const { inputs, outputs } of parts) {
      t.true([...inputs, ...outputs].every(({ dims }) => dims.slice(1).every(dim => typeof dim === 'number')))
    }
    t.log(
      `${count} parts, relative error ${error.toExponential(1)}, most weights ${megabytes(Math.max(...parts.map(part => part.weightBytes)))} of ${megabytes(weights)}`,
    )
  }
}

async function lossyChains(
  t: ExecutionContext,
  model: Uint8Array,
  specs: ReadonlyMap<string, TensorSpec>,
): Promise<void> {
  const graph = readGraph(model)
  const feeds = frameFor(graph)
  const whole = await runModel(model, feeds)
  for (const count of [4, 8]) {
    const sent = async (wire: Wire) => {
      const parts = cutGraph(graph, evenCuts(graph, count), specs, wire)
      let bytes = 0
      const outputs = await runChain(parts, feeds, undefined, (tensors, part) => {
        if (part !== parts.at(-1)) bytes += tensorsBytes(tensors)
      })
      return { bytes, error: relativeError(outputs, whole) }
    }
    const exact = await sent('f32')
    // The scale and the zero point of a channel are 5 bytes, beside 16 or more of its values.
    for (const [wire, fewer] of [['f16', 2] as const, ['u8c', 3] as const, ['u8', 4] as const]) {
      const { bytes, error } = await sent(wire)
      t.true(error > 0 && error <= LOSSY[wire], `${wire} in ${count} parts: ${error}`)
      const ratio = exact.bytes / bytes
      t.true(ratio > 0.98 * fewer, `${wire}: ${ratio} times fewer bytes`)
      t.log(
        `${count} parts, ${wire}: relative error ${error.toExponential(1)}, ${ratio.toFixed(3)} times fewer bytes`,
      )
    }
  }
}

function specsOf(model: Uint8Array): Promise<ReadonlyMap<string, TensorSpec>> {
  const graph = readGraph(model)
  return completeSpecs(graph, runModel, size => frameFor(graph, size))
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

test.serial('published models - digits in 4 and 8 parts gives what the whole gives', async t => {
  const model = readFileSync(inCheckout('examples/digits/digits.onnx'))
  await chainEqualsWhole(t, model, [4, 8], await specsOf(model))
})

for (const name of ['light_squeezenet.onnx', 'light_inception_v1.onnx', 'light_resnet50.onnx']) {
  test.serial(`published models - ${name} in 4 and 8 parts gives what the whole gives`, async t => {
    const shared = sharedModel(name)
    if (!shared) return t.log('the folder of shared models is absent')
    await chainEqualsWhole(t, randomWeights(shared, 1), [4, 8], await specsOf(shared))
  })
}

test.serial('published models - digits with lossy wires gives nearly what the whole gives', async t => {
  const model = readFileSync(inCheckout('examples/digits/digits.onnx'))
  await lossyChains(t, model, await specsOf(model))
})

// Of opset 9, which cannot quantise.
for (const name of ['light_squeezenet.onnx', 'light_inception_v1.onnx', 'light_resnet50.onnx']) {
  test.serial(`published models - ${name} with lossy wires gives nearly what the whole gives`, async t => {
    const shared = sharedModel(name)
    if (!shared) return t.log('the folder of shared models is absent')
    await lossyChains(t, randomWeights(shared, 1), await specsOf(shared))
  })
}

test.serial(
  'published models - light_vgg19.onnx, 575 MB of weights, in 4 parts gives what the whole gives',
  async t => {
    const shared = sharedModel('light_vgg19.onnx')
    if (!shared) return t.log('the folder of shared models is absent')
    await chainEqualsWhole(t, randomWeights(shared, 1), [4], await specsOf(shared))
  },
)

for (const name of ['light_squeezenet.onnx', 'light_resnet50.onnx']) {
  test.serial(`published models - ${name} as it is has its weights in the parts that make them`, async t => {
    const shared = sharedModel(name)
    if (!shared) return t.log('the folder of shared models is absent')
    const graph = readGraph(shared)
    const parts = cutGraph(graph, evenCuts(graph, 4), await specsOf(shared))
    const total = (model: Uint8Array) => cutGraph(readGraph(model), [])[0]?.weightBytes ?? 0
    const sum = parts.reduce((bytes, { weightBytes }) => bytes + weightBytes, 0)
    t.is(sum, total(shared))
    t.true(sum > 4e6 && shared.length < 1e5)
    for (const { model, weightBytes } of parts) t.is(total(model), weightBytes)
  })
}
