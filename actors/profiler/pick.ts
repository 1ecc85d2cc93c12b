import { MillraceError } from '../../core/errors.js'
import { type Tensors } from '../../core/tensor.js'

/** @throws GRAPH_INVALID: one is missing */
export function pick(names: readonly string[], tensors: Tensors): Tensors {
  return Object.fromEntries(
    names.map(name => {
      const value = tensors[name]
      if (value === undefined) throw new MillraceError('GRAPH_INVALID', `nothing gives tensor '${name}'`)
      return [name, value]
    }),
  )
}
