export { randomWeights } from './random-weights.js'
