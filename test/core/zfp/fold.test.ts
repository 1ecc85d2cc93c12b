import test from 'ava'
import fc from 'fast-check'
import { encodeZfp, foldedDims } from '../../../core/codec/zfp/index.js'
import { elementCount } from '../../../core/tensor.js'
import { anyDims, smooth } from '../../support/zfp.js'

test('zfp dims - images of channels become rows of a length that blocks fill', t => {
  t.deepEqual(foldedDims([1, 256, 56, 56]), [14_336, 56])
  t.deepEqual(foldedDims([1, 1024, 14, 14]), [1024, 196])
  t.deepEqual(foldedDims([1, 2048, 7, 7]), [100_352])
  t.deepEqual(foldedDims([1, 2048]), [2048])
  t.deepEqual(foldedDims([3]), [3])
  t.deepEqual(foldedDims([]), [1])
})

test('zfp dims - a folded tensor has as many values, in no longer a stream', t => {
  fc.assert(
    fc.property(anyDims([50, 20, 12, 8]), dims => {
      const folded = foldedDims(dims)
      t.is(elementCount(folded), elementCount(dims))
      const bytes = (dims: readonly number[]) =>
        encodeZfp(smooth(dims, 1), dims, { kind: 'rate', bits: 8 }).byteLength
      t.true(bytes(folded) <= bytes(dims))
    }),
  )
})
