import { type Plan } from '../../core/control.js'

/**
 * Memory of a worker that pipelines other than one have taken, as it was predicted.
 * @param processBytes  of a process that runs nothing: all that run on a worker are in one
 */
export function takenBytes(
  worker: string,
  pipeline: string,
  plans: Iterable<Plan>,
  processBytes: number,
): number {
  return [...plans]
    .filter(plan => plan.pipeline !== pipeline)
    .flatMap(({ stages }) => stages)
    .filter(stage => stage.worker === worker)
    .reduce((sum, { memoryBytes = 0 }) => sum + Math.max(0, memoryBytes - processBytes), 0)
}
