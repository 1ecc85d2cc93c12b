import { MillraceError } from '../../core/errors.js'
import { DTYPES, elementCount, type Tensor, type Tensors, type TensorSpec } from '../../core/tensor.js'

/** What a source may emit: all inputs by name, or the one tensor of a model with one input. */
export type FrameInput = Tensor | Tensors

/**
 * The tensors of a frame, under the names of the model's inputs; a wrong one fails alone (promise 6).
 * @throws FRAME_INPUT_UNKNOWN, FRAME_DTYPE, FRAME_SHAPE, TENSOR_INVALID
 */
export function checkFrame(input: FrameInput, specs: readonly TensorSpec[]): Tensors {
  if (!isObject(input))
    throw new MillraceError('TENSOR_INVALID', `a frame is tensors by name, not ${kindOf(input)}`)
  const tensors = isTensor(input) ? named(input, specs) : input
  const names = specs.map(spec => spec.name)
  const unknown = Object.keys(tensors).find(name => !names.includes(name))
  if (unknown !== undefined) {
    throw new MillraceError(
      'FRAME_INPUT_UNKNOWN',
      `the model has no input '${unknown}'; it has ${names.join(', ')}`,
    )
  }
  return Object.fromEntries(specs.map(spec => [spec.name, checkTensor(ownOf(tensors, spec.name), spec)]))
}

function named(input: Tensor, specs: readonly TensorSpec[]): Tensors {
  const [only] = specs
  if (only === undefined || specs.length > 1) {
    const names = specs.map(spec => spec.name).join(', ')
    throw new MillraceError(
      'FRAME_INPUT_UNKNOWN',
      `the model has the inputs ${names}: give each tensor its name`,
    )
  }
  return { [only.name]: input }
}

function checkTensor(value: Tensor | undefined, spec: TensorSpec): Tensor {
  if (value === undefined)
    throw new MillraceError('FRAME_INPUT_UNKNOWN', `the frame lacks the input '${spec.name}'`)
  if (!isObject(value) || !Array.isArray(value.dims)) {
    throw new MillraceError(
      'TENSOR_INVALID',
      `input '${spec.name}' is no tensor: it needs dtype, dims and data`,
    )
  }
  if (value.dtype !== spec.dtype) {
    const isScaled = spec.dtype === 'uint8' && String(value.dtype).startsWith('float')
    const why = isScaled ? ': it takes pixels of 0 to 255 as they are, and scales them in the model' : ''
    throw new MillraceError(
      'FRAME_DTYPE',
      `input '${spec.name}' is ${spec.dtype}, but the frame's is ${value.dtype}${why}`,
    )
  }
  if (!fits(value.dims, spec.dims)) {
    const [has, wants] = [value.dims.join(', '), spec.dims.map(dim => dim ?? '?').join(', ')]
    throw new MillraceError('FRAME_SHAPE', `input '${spec.name}' is [${wants}], but the frame's is [${has}]`)
  }
  checkData(value, spec.name)
  return value
}

function checkData(value: Tensor, name: string): void {
  const right =
    value.dtype === 'string' ? isTexts(value.data) : value.data instanceof DTYPES[value.dtype].array
  if (!right || value.data.length !== elementCount(value.dims)) {
    throw new MillraceError('TENSOR_INVALID', `the data of '${name}' does not fit its dtype and dims`)
  }
}

function fits(dims: readonly number[], wanted: TensorSpec['dims']): boolean {
  return (
    dims.length === wanted.length &&
    dims.every((dim, i) => {
      const want = wanted[i]
      return Number.isSafeInteger(dim) && dim >= 0 && (typeof want !== 'number' || want === dim)
    })
  )
}

function isTensor(input: FrameInput): input is Tensor {
  return 'dtype' in input && typeof input.dtype === 'string'
}

/** An input may have the name of something that every object inherits. */
function ownOf(tensors: Tensors, name: string): Tensor | undefined {
  return Object.hasOwn(tensors, name) ? tensors[name] : undefined
}

function isTexts(data: unknown): boolean {
  return Array.isArray(data) && data.every(text => typeof text === 'string')
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : `a ${typeof value}`
}
