import { MillraceError } from '../errors.js'
import { byteLength, type Tensor, type Tensors, type TensorSpec } from '../tensor.js'
import { dimsOfCount, dimsOfOne } from './dims.js'
import { numericOf, tensorOfBytes } from './elements.js'

/**
 * Reads a frame that is nothing but elements: little-endian, row-major, input after input in the model's order. Dims that
 * the model leaves free are 1; the only free dim of an only input may be more.
 * @throws FRAME_MALFORMED, FRAME_SHAPE
 */
export function decodeRaw(payload: Uint8Array, specs: readonly TensorSpec[]): Tensors {
  const [only, ...others] = specs
  if (only !== undefined && others.length === 0) return { [only.name]: decodeOnly(payload, only) }
  const sizes = specs.map(spec => byteLength(numericOf(spec), dimsOfOne(spec)))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (payload.byteLength !== total) {
    const parts = specs.map(({ name }, i) => `${name} ${sizes[i]}`).join(', ')
    throw new MillraceError(
      'FRAME_MALFORMED',
      `the inputs take ${total} bytes (${parts}), the message has ${payload.byteLength}`,
    )
  }
  let at = 0
  const tensors = specs.map((spec, i) => {
    const bytes = payload.subarray(at, (at += sizes[i] ?? 0))
    return [spec.name, tensorOfBytes(spec, dimsOfOne(spec), bytes)] as const
  })
  return Object.fromEntries(tensors)
}

function decodeOnly(payload: Uint8Array, spec: TensorSpec): Tensor {
  const size = byteLength(numericOf(spec), [])
  const count = payload.byteLength / size
  if (!Number.isInteger(count)) {
    throw new MillraceError(
      'FRAME_MALFORMED',
      `${payload.byteLength} bytes are no number of ${spec.dtype} elements, each of ${size} bytes`,
    )
  }
  return tensorOfBytes(spec, dimsOfCount(spec, count), payload)
}
