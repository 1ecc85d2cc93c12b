import test from 'ava'
import {
  byteLength,
  DTYPES,
  elementCount,
  isDType,
  isNumericDType,
  tensor,
  tensorsBytes,
} from '../../core/tensor.js'
import { codeOf } from '../support/errors.js'

test('a tensor - is made of a type, dims and data that belong together', t => {
  for (const dtype of Object.keys(DTYPES).filter(isNumericDType)) {
    const data = new DTYPES[dtype].array(6)
    t.deepEqual(tensor(dtype, [2, 3], data), { dtype, dims: [2, 3], data })
  }
  t.deepEqual(tensor('string', [2], ['a', '']), { dtype: 'string', dims: [2], data: ['a', ''] })
  t.is(tensor('float32', [], Float32Array.of(1)).data.length, 1)
  t.is(tensor('float32', [3, 0], new Float32Array(0)).data.length, 0)
})

test('a tensor - refuses dims that are no sizes', t => {
  for (const dim of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    t.is(
      codeOf(() => tensor('uint8', [dim, 0], new Uint8Array(0))),
      'TENSOR_INVALID',
    )
  }
})

test('a tensor - refuses data of another length or kind', t => {
  t.is(
    codeOf(() => tensor('uint8', [3], new Uint8Array(2))),
    'TENSOR_INVALID',
  )
  t.is(
    codeOf(() => tensor('uint8', [], new Uint8Array(0))),
    'TENSOR_INVALID',
  )
  t.is(
    codeOf(() => tensor('float32', [2], new Float64Array(2))),
    'TENSOR_INVALID',
  )
  t.is(
    codeOf(() => tensor('int8', [2], new Uint8Array(2))),
    'TENSOR_INVALID',
  )
  t.is(
    codeOf(() => tensor('float32', [1], ['1'])),
    'TENSOR_INVALID',
  )
  t.is(
    codeOf(() => tensor('string', [1], new Uint8Array(1))),
    'TENSOR_INVALID',
  )
  t.is(
    codeOf(() => tensor('string', [1], [1] as unknown as string[])),
    'TENSOR_INVALID',
  )
  t.is(
    codeOf(() => tensor('constructor' as 'uint8', [1], new Uint8Array(1))),
    'TENSOR_INVALID',
  )
})

test('the number of elements - is 1 for a scalar, 0 with any dim of 0, and never wraps', t => {
  t.is(elementCount([]), 1)
  t.is(elementCount([2, 3, 4]), 24)
  t.is(elementCount([5, 0]), 0)
  const huge = Array.from({ length: 40 }, () => Number.MAX_SAFE_INTEGER)
  t.is(elementCount(huge), Infinity)
  t.is(elementCount([...huge, 0]), 0)
  t.is(elementCount([65536, 65536]), 2 ** 32)
})

test('sizes - are bytes of the elements, and two for each unit of a text', t => {
  t.is(byteLength('float16', [3]), 6)
  t.is(byteLength('int64', [2, 2]), 32)
  t.is(byteLength('bool', [5]), 5)
  const a = tensor('float32', [2], new Float32Array(2))
  t.is(tensorsBytes({ a, b: tensor('string', [2], ['ab', '🐙']) }), 16)
  t.is(tensorsBytes({}), 0)
})

test('types - are those of the table and texts, not what objects inherit', t => {
  t.true(isDType('string'))
  t.true(isDType('float16'))
  t.false(isNumericDType('string'))
  for (const other of ['constructor', '__proto__', 'bfloat16', '']) t.false(isDType(other))
})
