export { type Architecture, buildModel } from './calibrate.js'
export { resnet50 } from './resnet50.js'
export { visionTransformer } from './vision-transformer.js'
