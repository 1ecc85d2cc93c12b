import test from 'ava'
import { topK } from '../../../actors/dispatcher/index.js'
import { tensor } from '../../../core/tensor.js'

test('topK - gives the largest elements with their places, of equal ones the first', t => {
  const scores = tensor('float32', [1, 4], Float32Array.of(-1, 3, 0.5, 3))
  t.deepEqual(topK(scores, 3), [
    { index: 1, value: 3 },
    { index: 3, value: 3 },
    { index: 2, value: 0.5 },
  ])
})

test('topK - gives all elements of a tensor that has fewer', t => {
  const counts = tensor('int64', [2], BigInt64Array.of(5n, 7n))
  t.deepEqual(
    topK(counts, 9).map(({ value }) => value),
    [7, 5],
  )
})

test('topK - says so when a prediction has no such output', t => {
  const error = t.throws(() => topK(undefined, 1), { code: 'OUTPUT_UNKNOWN' })
  t.regex(error?.message ?? '', /no such output/)
})
