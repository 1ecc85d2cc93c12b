import test from 'ava'
import { checkFrame, type FrameInput } from '../../../actors/dispatcher/check-frame.js'
import { MillraceError } from '../../../core/errors.js'
import { tensor, type Tensors, type TensorSpec } from '../../../core/tensor.js'

const IMAGE: TensorSpec = { name: 'image', dtype: 'float32', dims: ['batch', 2] }
const WORDS: TensorSpec = { name: 'words', dtype: 'string', dims: [null] }
const image = tensor('float32', [3, 2], new Float32Array(6))
const words = tensor('string', [1], ['hello'])

/** Code and message of what is thrown, in one text. */
function refusal(input: unknown, specs: readonly TensorSpec[] = [IMAGE, WORDS]): string {
  try {
    checkFrame(input as FrameInput, specs)
    return 'taken'
  } catch (error) {
    return error instanceof MillraceError ? `${error.code}: ${error.message}` : `a stranger: ${String(error)}`
  }
}

test('checking a frame - gives the tensors under the names of the inputs, in the order of the model', t => {
  const checked = checkFrame({ words, image }, [IMAGE, WORDS])
  t.deepEqual(Object.entries(checked), [
    ['image', image],
    ['words', words],
  ])
  t.is(checked['image'], image)
})

test('checking a frame - takes a lone tensor for a model with one input, and for no other', t => {
  t.deepEqual(checkFrame(image, [IMAGE]), { image })
  t.regex(refusal(image), /^FRAME_INPUT_UNKNOWN: .*image, words/)
})

test('checking a frame - an input may be named dtype', t => {
  const named: Tensors = { dtype: image }
  t.deepEqual(checkFrame(named, [{ ...IMAGE, name: 'dtype' }]), named)
})

test('checking a frame - names the input that is unknown or lacking', t => {
  t.regex(refusal({ image, words, extra: words }), /^FRAME_INPUT_UNKNOWN: .*'extra'.*image, words/)
  t.regex(refusal({ image }), /^FRAME_INPUT_UNKNOWN: .*'words'/)
  t.regex(refusal({}, [{ ...IMAGE, name: 'constructor' }]), /^FRAME_INPUT_UNKNOWN: .*'constructor'/)
})

test('checking a frame - names the type and the shape that differ', t => {
  t.regex(
    refusal({ image: tensor('float64', [3, 2], new Float64Array(6)), words }),
    /^FRAME_DTYPE: .*float32.*float64/,
  )
  t.regex(
    refusal({ image: tensor('float32', [2, 3], new Float32Array(6)), words }),
    /^FRAME_SHAPE: .*\[batch, 2\].*\[2, 3\]/,
  )
  t.regex(refusal({ image: tensor('float32', [6], new Float32Array(6)), words }), /^FRAME_SHAPE: /)
  t.regex(refusal({ image, words: tensor('string', [], ['a']) }), /^FRAME_SHAPE: .*\[\?\].*\[\]/)
  for (const dim of [-1, 0.5, NaN, '3']) {
    t.regex(refusal({ image: { ...image, dims: [dim, 2] }, words }), /^FRAME_SHAPE: /)
  }
})

test('checking a frame - says why floats are no pixels', t => {
  const specs: TensorSpec[] = [{ ...IMAGE, dtype: 'uint8' }]
  t.regex(
    refusal({ image }, specs),
    /^FRAME_DTYPE: .*uint8.*float32: it takes pixels of 0 to 255.*in the model/,
  )
  const integers = tensor('int32', [3, 2], new Int32Array(6))
  t.regex(refusal({ image: integers }, specs), /^FRAME_DTYPE: .*'s is int32$/)
})

test('checking a frame - refuses data that does not fit type and dims', t => {
  const bad = [
    { image: { ...image, data: new Float32Array(5) }, words },
    { image: { ...image, data: new Float64Array(6) }, words },
    { image: { ...image, data: [1, 2, 3, 4, 5, 6] }, words },
    { image: { ...image, data: undefined }, words },
    { image, words: { ...words, data: 'hello' } },
    { image, words: { ...words, data: [5] } },
    { image, words: { ...words, data: [] } },
  ]
  for (const input of bad) t.regex(refusal(input), /^TENSOR_INVALID: .*'(image|words)'/)
})

test('checking a frame - refuses what is no frame at all', t => {
  for (const input of [undefined, null, 5, 'frame', () => image]) t.regex(refusal(input), /^TENSOR_INVALID: /)
  for (const value of [null, 5, 'x', {}, [], { dtype: 'float32' }, { dtype: 'float32', dims: 'x' }]) {
    t.regex(refusal({ image: value, words }), /^TENSOR_INVALID: .*'image'/)
  }
  t.regex(refusal({ image: undefined, words }), /^FRAME_INPUT_UNKNOWN: /)
})
