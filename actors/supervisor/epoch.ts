import { fromEvent, interval, merge, type Observable } from 'rxjs'
import { type Bus } from '../../core/bus.js'
import {
  type Activation,
  activationKeyOf,
  encodeControl,
  errorOf,
  type Plan,
} from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type Topics } from '../../core/topics.js'
import { firstWhere } from '../../core/wait.js'
import { type Assignments } from './assignments.js'
import { type WorkerRegistry } from './registry.js'

/** What bringing an epoch into force works with; the supervisor's. */
export interface EpochParts {
  readonly bus: Bus
  readonly topics: Topics
  readonly registry: WorkerRegistry
  readonly assignments: Assignments
}

type Activations = ReadonlyMap<string, readonly Activation[]>

const RECHECK_MS = 500

/** A worker did not come to run what it was to. */
export class ActivationFailure extends MillraceError {
  constructor(
    cause: MillraceError,
    readonly worker: string,
    readonly activation: Activation,
  ) {
    super(cause.code, cause.message, { cause })
  }
}

/**
 * Has workers load what a new epoch needs, beside what they run (decision D6), and waits until they have. What cannot be
 * brought into force is taken back.
 * @throws ActivationFailure: with WORKER_LOST, or with what it could not be loaded for; DEPLOY_TIMEOUT; STOPPED
 */
export async function loadEpoch(
  activations: Activations,
  parts: EpochParts,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    await parts.assignments.add(activations)
    await waitUntilReady(activations, parts.registry, limitMs, signal)
  } catch (error) {
    const mine = new Set([...activations.values()].flat().map(activationKeyOf))
    await parts.assignments.remove(activation => mine.has(activationKeyOf(activation)))
    throw error
  }
}

export async function publishPlan(
  { bus, topics }: Pick<EpochParts, 'bus' | 'topics'>,
  plan: Plan,
): Promise<void> {
  await bus.publish(topics.pipeline.plan(plan.pipeline), encodeControl(plan), { qos: 1, retain: true })
}

/** When what is waited for may have changed: silence is no event, so also from time to time. */
export function changes(registry: WorkerRegistry, signal: AbortSignal): Observable<unknown> {
  return merge(registry.change$, fromEvent(signal, 'abort'), interval(RECHECK_MS))
}

export function refuseStopped(signal: AbortSignal): void {
  if (signal.aborted) throw new MillraceError('STOPPED', 'the deployment was stopped')
}

async function waitUntilReady(
  activations: Activations,
  registry: WorkerRegistry,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const wanted = [...activations].flatMap(([worker, list]) =>
    list.map(activation => ({ worker, activation })),
  )
  const missing = () => wanted.filter(({ worker, activation }) => !isReady(registry, worker, activation))
  const ready = () => {
    refuseStopped(signal)
    return missing().length === 0
  }
  if (ready()) return
  const late = () => {
    const keys = missing().map(({ activation }) => activationKeyOf(activation))
    return new MillraceError('DEPLOY_TIMEOUT', `${keys.join(', ')} of ${wanted.length} stages are not loaded`)
  }
  await firstWhere(changes(registry, signal), ready, limitMs, late)
}

/** @throws ActivationFailure */
function isReady(registry: WorkerRegistry, worker: string, activation: Activation): boolean {
  const key = activationKeyOf(activation)
  const fail = (error: MillraceError) => new ActivationFailure(error, worker, activation)
  const view = registry.get(worker)
  if (view === undefined)
    throw fail(new MillraceError('WORKER_LOST', `worker '${worker}' is gone while it loads ${key}`))
  const state = view.actual?.activations.find(other => activationKeyOf(other) === key)
  if (state?.state === 'failed') throw fail(errorOf(state))
  return state?.state === 'ready'
}
