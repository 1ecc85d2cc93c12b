import { MillraceError } from '../errors.js'
import { elementCount, type TensorSpec } from '../tensor.js'

/** The dims of one frame: those that the model leaves free are 1. */
export function dimsOfOne({ dims }: TensorSpec): number[] {
  return dims.map(dim => (typeof dim === 'number' ? dim : 1))
}

/**
 * The dims of `count` elements that come without any: a single free dim takes what the others leave.
 * @throws FRAME_SHAPE
 */
export function dimsOfCount(spec: TensorSpec, count: number): number[] {
  const one = dimsOfOne(spec)
  const size = elementCount(one)
  if (count === size) return one
  const free = spec.dims.flatMap((dim, i) => (typeof dim === 'number' ? [] : [i]))
  const many = count / size
  if (free.length === 1 && count > 0 && Number.isInteger(many)) {
    return one.map((dim, i) => (i === free[0] ? many : dim))
  }
  throw new MillraceError(
    'FRAME_SHAPE',
    `input '${spec.name}' is [${textOf(spec)}], of ${size} elements${free.length > 0 ? ' a frame' : ''}; the message has ${count}`,
  )
}

/** Leading dims of 1 may be left out, such as that of the batch. */
export function withLeadingOnes(dims: readonly number[], spec: TensorSpec): number[] {
  return [...new Array<number>(Math.max(0, spec.dims.length - dims.length)).fill(1), ...dims]
}

export function textOf({ dims }: TensorSpec): string {
  return dims.map(dim => dim ?? '?').join(', ')
}
