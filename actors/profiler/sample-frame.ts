import { syntheticFrame } from '../../core/synthetic/index.js'
import { type Tensors, type TensorSpec } from '../../core/tensor.js'

const SEED = 1
/** Token ids and indices must be within the model's tables, whose sizes nobody tells: 0 and 1 nearly always are. */
const INTEGERS_BELOW = 2

/** A frame for a model, always the same for an index. Every free dim is of one size. */
export function sampleFrame(inputs: readonly TensorSpec[], size = 1, index = 0): Tensors {
  return syntheticFrame(sized(inputs, size), SEED, index, {}, INTEGERS_BELOW)
}

function sized(specs: readonly TensorSpec[], size: number): TensorSpec[] {
  return specs.map(spec => ({ ...spec, dims: spec.dims.map(dim => (typeof dim === 'number' ? dim : size)) }))
}
