export { Stage, type StageParts } from './stage.js'
