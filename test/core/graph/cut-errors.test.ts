import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { MillraceError } from '../../../core/errors.js'
import { cutGraph, type Graph, readGraph } from '../../../core/graph/index.js'
import { node, onnxBytes, value } from '../../support/onnx-builder.js'

const SHAPE = [1, 4]

function chain(length: number): Graph {
  const names = ['x', ...Array.from({ length }, (_, i) => `v${i}`)]
  return readGraph(
    onnxBytes({
      inputs: [value('x', 'FLOAT', SHAPE)],
      outputs: [value(`v${length - 1}`, 'FLOAT', SHAPE)],
      nodes: names.slice(1).map((name, i) => node('Relu', [names[i] ?? ''], [name])),
      values: names.slice(1, -1).map(name => value(name, 'FLOAT', SHAPE)),
    }),
    { name: 'chain.onnx' },
  )
}

function refuses(t: ExecutionContext, graph: Graph, cuts: readonly number[], message: RegExp): void {
  const error = t.throws(() => cutGraph(graph, cuts), { instanceOf: MillraceError })
  t.is(error.code, 'GRAPH_CUT_INVALID')
  t.regex(error.message, message)
  t.regex(error.message, /chain\.onnx/)
}

test('wrong cuts - a place that is no position is refused, and those that are named', t => {
  const graph = chain(4)
  for (const cut of [0, -1, 4, 5, 1.5, NaN, Infinity, -Infinity]) {
    refuses(t, graph, [cut], new RegExp(`position ${cut} is not between 1 and 3`))
  }
  refuses(t, graph, [1, 4], /position 4 is not/)
})

test('wrong cuts - positions that do not increase are refused', t => {
  refuses(t, chain(4), [2, 1], /position 1 does not come after/)
  refuses(t, chain(4), [2, 2], /position 2 does not come after/)
  refuses(t, chain(4), [1, 3, 2], /position 2 does not come after/)
})

test('wrong cuts - a graph of one node has no position, and the message says so', t => {
  refuses(t, chain(1), [1], /no position/)
})

test('wrong cuts - increasing positions are all taken, with one partition more', t => {
  const graph = chain(8)
  fc.assert(
    fc.property(fc.subarray([1, 2, 3, 4, 5, 6, 7]), cuts => {
      const parts = cutGraph(graph, cuts)
      t.is(parts.length, cuts.length + 1)
      t.is(
        parts.reduce((sum, { operators }) => sum + operators, 0),
        8,
      )
    }),
    { numRuns: 50 },
  )
})

test('wrong cuts - a value of unknown type that crosses is named, with the way out', t => {
  const graph = readGraph(
    onnxBytes({
      inputs: [value('x', 'FLOAT', SHAPE)],
      outputs: [value('y', 'FLOAT', SHAPE)],
      nodes: [node('Relu', ['x'], ['silent']), node('Relu', ['silent'], ['y'])],
    }),
    { name: 'chain.onnx' },
  )
  refuses(t, graph, [1], /'silent'.*completeSpecs/)
  t.is(
    cutGraph(graph, [1], new Map([['silent', { name: 'silent', dtype: 'float32', dims: SHAPE }]])).length,
    2,
  )
})
