import { type Plan } from '../../core/control/index.js'

/**
 * Memory of a worker that plans in force have taken, as it was predicted.
 * @param isOwn  plans whose memory does not count: they make room
 * @param processBytes  of a process that runs nothing: all that run on a worker are in one
 */
export function takenBytes(
  worker: string,
  isOwn: (plan: Plan) => boolean,
  plans: Iterable<Plan>,
  processBytes: number,
): number {
  return [...plans]
    .filter(plan => !isOwn(plan))
    .flatMap(({ stages }) => stages)
    .filter(stage => stage.worker === worker)
    .reduce((sum, { memoryBytes = 0 }) => sum + Math.max(0, memoryBytes - processBytes), 0)
}
