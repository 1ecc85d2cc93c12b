import { activationKeyOf, errorOf, type Plan, type PlanReason } from '../../core/control/index.js'
import { type ErrorInfo, MillraceError } from '../../core/errors.js'
import { type WorkerRegistry } from './registry.js'

export interface HealthParts {
  readonly registry: WorkerRegistry
  /** Whether an inference of an actor hangs, by `activationKeyOf`. */
  readonly isStalled: (key: string) => boolean
}

/** A replica that a live worker does not run any more, or not on. */
export interface Failed {
  readonly worker: string
  readonly key: string
  readonly error: ErrorInfo
}

/** What keeps a plan from working, if anything does. */
export function healthOf(plan: Plan, parts: HealthParts): ErrorInfo | undefined {
  const lost = plan.stages.find(({ worker }) => parts.registry.get(worker) === undefined)
  if (lost !== undefined) {
    const { worker, stage } = lost
    return new MillraceError('WORKER_LOST', `worker '${worker}', of stage ${stage}, is gone`).toInfo()
  }
  return failedOf(plan, parts)[0]?.error
}

export function failedOf(
  { pipeline, epoch, stages }: Plan,
  { registry, isStalled }: HealthParts,
): readonly Failed[] {
  return stages.flatMap(({ stage, worker, replica }) => {
    const key = activationKeyOf({ pipeline, epoch, stage, replica })
    const actual = registry.get(worker)?.actual
    const state = actual?.activations.find(one => activationKeyOf(one) === key)
    if (state?.state === 'failed') return [{ worker, key, error: errorOf(state).toInfo() }]
    if (!isStalled(key)) return []
    const hangs = `worker '${worker}' beats, but an inference of stage ${stage} does not end`
    return [{ worker, key, error: new MillraceError('WORKER_STALLED', hangs).toInfo() }]
  })
}

/**
 * Where workers of a plan are silent: whether all of them are there again as they were, so that it was but a pause.
 * @returns to be asked from time to time
 */
export function returnOf(plan: Plan, parts: HealthParts): () => boolean {
  const { registry } = parts
  const workers = [...new Set(plan.stages.map(({ worker }) => worker))]
  const incarnations = () => workers.map(worker => registry.incarnationOf(worker)).join()
  const before = incarnations()
  return () => {
    // What has begun anew has another inbox.
    if (healthOf(plan, parts) !== undefined || incarnations() !== before) return false
    return plan.stages.every(stage => isReady(plan, stage, registry))
  }
}

export function reasonOf(error: ErrorInfo | undefined): PlanReason {
  return error?.code === 'WORKER_STALLED' ? 'worker stalled' : 'worker lost'
}

/** Whether the worker of a stage has loaded it, and says of nothing that went wrong. */
export function isReady(
  { pipeline, epoch }: Plan,
  { stage, worker, replica }: Plan['stages'][number],
  registry: HealthParts['registry'],
): boolean {
  const key = activationKeyOf({ pipeline, epoch, stage, replica })
  const activations = registry.get(worker)?.actual?.activations ?? []
  return activations.some(one => activationKeyOf(one) === key && one.state === 'ready')
}
