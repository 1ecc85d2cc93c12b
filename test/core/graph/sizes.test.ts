import test from 'ava'
import { placeInTag, readGraph, taggedFile, tensorSizes } from '../../../core/graph/index.js'
import { frameFor } from '../../support/chains.js'
import { node, onnxBytes, value } from '../../support/onnx-builder.js'
import { runModel } from '../../support/onnx-runner.js'

const LINE = {
  inputs: [value('x', 'FLOAT', ['batch', 4])],
  outputs: [value('z', 'INT64', ['batch'])],
  nodes: [
    node('Relu', ['x'], ['a']),
    node('Concat', ['a', 'a'], ['b'], { axis: 1 }),
    node('ArgMax', ['b'], ['z'], { axis: 1, keepdims: 0 }),
  ],
}

test('tensor sizes - are found by a run where the file leaves a dim free or says nothing', async t => {
  const graph = readGraph(onnxBytes(LINE))
  const sizes = await tensorSizes(graph, runModel, frameFor(graph))
  const batch = (sizes.get('x') ?? 0) / 16
  t.true(batch >= 1)
  t.deepEqual(Object.fromEntries(sizes), { x: 16 * batch, a: 16 * batch, b: 32 * batch, z: 8 * batch })
})

test('tensor sizes - need no run where the file tells them all', async t => {
  const graph = readGraph(
    onnxBytes({
      ...LINE,
      inputs: [value('x', 'FLOAT', [2, 4])],
      outputs: [value('z', 'INT64', [2])],
      values: [value('a', 'FLOAT', [2, 4]), value('b', 'FLOAT16', [2, 8])],
    }),
  )
  const sizes = await tensorSizes(graph, () => Promise.reject(new Error('it was run')), frameFor(graph))
  t.deepEqual(Object.fromEntries(sizes), { x: 32, a: 32, b: 32, z: 16 })
})

test('tagged file - each node has its place in its name, and the model gives what it gave', async t => {
  const original = onnxBytes(LINE)
  const graph = readGraph(original)
  const tagged = readGraph(taggedFile(graph))
  t.deepEqual(
    tagged.nodes.map(({ name }) => placeInTag(name)),
    [0, 1, 2],
  )
  const feeds = frameFor(graph)
  t.deepEqual(await runModel(taggedFile(graph), feeds), await runModel(original, feeds))
})
