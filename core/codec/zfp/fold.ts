import { elementCount } from '../../tensor.js'

const EDGE = 4

/**
 * One or two dims for the values of a tensor of any rank that make a short ZFP stream: rows of a length that blocks of 4
 * fill, as long as there are four of them, else one row. Activations change slowly within an image, and not from one
 * channel to the next, so that blocks of three dimensions gain nothing.
 * @param dims  row-major, of any number, each 1 or more
 */
export function foldedDims(dims: readonly number[]): readonly number[] {
  const count = elementCount(dims)
  let columns = 1
  for (const dim of dims.toReversed()) {
    columns *= dim
    if (columns % EDGE === 0) break
  }
  return columns % EDGE === 0 && count / columns >= EDGE ? [count / columns, columns] : [count]
}
