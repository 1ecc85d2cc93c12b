import test from 'ava'
import fc from 'fast-check'
import { relativeError } from '../../../core/compare.js'
import { cutGraph, readGraph } from '../../../core/graph/index.js'
import { frameFor, openGraph, ROUNDING } from '../../support/chains.js'
import { onnxBytes } from '../../support/onnx-builder.js'
import { runChain, runModel } from '../../support/onnx-runner.js'
import { graphPlan, randomModel } from '../../support/random-graphs.js'

test('random graphs - cut anywhere, the chain gives what the whole gives', async t => {
  let cutsTried = 0
  await fc.assert(
    fc.asyncProperty(graphPlan, fc.array(fc.nat(), { maxLength: 6 }), async (plan, places) => {
      const bytes = onnxBytes(randomModel(plan, false))
      const { graph, cut } = await openGraph(bytes)
      t.true(graph.positions.every(({ cuttable }) => cuttable))
      const cuts = [...new Set(places.map(place => 1 + (place % Math.max(1, graph.positions.length))))]
        .filter(index => index <= graph.positions.length)
        .sort((a, b) => a - b)
      cutsTried += cuts.length
      const feeds = frameFor(graph)
      const error = relativeError(await runChain(cut(cuts), feeds), await runModel(bytes, feeds))
      t.true(error <= ROUNDING, `cut at ${cuts.join(', ')}: ${error}`)
    }),
    { numRuns: 120 },
  )
  t.log(`${cutsTried} cuts`)
})

test('random graphs - cut everywhere, each node is in one part and each part stands alone', async t => {
  await fc.assert(
    fc.asyncProperty(graphPlan, async plan => {
      const parts = randomModel(plan, true)
      const graph = readGraph(onnxBytes(parts))
      // Values between Concat and Conv, and the pieces of a Split, are not typed in the file.
      const specs = new Map(
        (parts.nodes ?? [])
          .flatMap(({ output }) => output)
          .filter(name => /[cpqr]$/.test(name))
          .map(name => [
            name,
            { name, dtype: 'float32' as const, dims: [2, name.endsWith('c') ? 6 : 1, 5, 5] },
          ]),
      )
      const cut = cutGraph(
        graph,
        graph.positions.map(({ index }) => index),
        specs,
      )
      const inside = cut.flatMap(({ model }) => readGraph(model).nodes.map(({ name }) => name))
      t.deepEqual(
        inside,
        graph.nodes.map(({ name }) => name),
      )
      t.deepEqual(
        cut.at(-1)?.sends,
        graph.outputs.map(({ name }) => name),
      )
      for (const [i, { receives, inputs, outputs, carries, sends, model }] of cut.entries()) {
        const [taken, given] = [inputs, outputs].map(specs => specs.map(({ name }) => name))
        t.deepEqual(receives, i === 0 ? receives : cut[i - 1]?.sends)
        t.true((taken ?? []).every(name => receives.includes(name)))
        t.deepEqual(sends.toSorted(), [...carries, ...(given ?? [])].sort())
        t.deepEqual([readGraph(model).inputs, readGraph(model).outputs], [inputs, outputs])
        t.true(outputs.length > 0)
      }
    }),
    { numRuns: 200 },
  )
})
