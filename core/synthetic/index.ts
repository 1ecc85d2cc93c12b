export { type Attributes, ModelBuilder } from './builder.js'
export { syntheticFrame } from './frames.js'
export { type Random, randomOf } from './random.js'
export { randomWeights } from './weights/index.js'
