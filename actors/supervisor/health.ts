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

export function reasonOf(error: ErrorInfo | undefined): PlanReason {
  return error?.code === 'WORKER_STALLED' ? 'worker stalled' : 'worker lost'
}
