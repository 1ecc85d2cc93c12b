import { type Birth, type Plan, type Spec, type Speed } from '../../core/control/index.js'
import { type Costs } from '../../core/costs/index.js'
import { MillraceError } from '../../core/errors.js'
import { type PlanWorker } from '../../core/planner/index.js'
import { firstWhere } from '../../core/wait.js'
import { type DeploymentParts } from './deployment-parts.js'
import { changes, refuseStopped } from './epoch.js'
import { type WorkerRegistry, type WorkerView } from './registry.js'
import { takenBytes } from './taken.js'

/** Those that are alive, as soon as there are some and none is about to beat for the first time. @throws NO_WORKER, STOPPED */
export async function waitForWorkers(
  { registry, options }: DeploymentParts,
  signal: AbortSignal,
): Promise<WorkerView[]> {
  const alive = () => {
    refuseStopped(signal)
    return registry.alive()
  }
  // Who has just been heard of for the first time is about to beat: a plan without it would be worse.
  const ready = () => alive().length > 0 && !registry.isSettling()
  if (!ready()) {
    const none = () => new MillraceError('NO_WORKER', `no worker is alive after ${options.workerWaitMs} ms`)
    await firstWhere(changes(registry, signal), ready, options.workerWaitMs, none).catch((error: unknown) => {
      if (alive().length === 0) throw error
    })
  }
  return alive()
}

/**
 * With the memory that others have taken there, and as fast as they are now. What a pipeline has in force makes room for
 * what takes its place, and none for what is to run beside it.
 */
export function workersFor(
  { pipeline, canary }: Pick<Spec, 'pipeline' | 'canary'>,
  { memory }: Pick<Costs, 'memory'>,
  { plans, slowdownOf, registry }: Pick<DeploymentParts, 'plans' | 'slowdownOf' | 'registry'>,
  views: readonly WorkerView[],
): PlanWorker[] {
  const isOwn = (plan: Plan) => canary === undefined && plan.pipeline === pipeline
  return views.map(({ birth }) => ({
    birth: withLink(birth, registry),
    links: registry.links.linksOf(birth.worker),
    takenBytes: takenBytes(birth.worker, isOwn, plans(), memory.processBytes),
    slowdown: slowdownOf(birth.worker) * registry.rehearsedSlowdown(birth.worker),
  }))
}

/** To the broker, which no stage's messages tell of, its link is slower where those to other workers are. */
function withLink(birth: Birth, { links }: WorkerRegistry): Birth {
  const { linkMbps, worker } = birth
  return linkMbps === undefined ? birth : { ...birth, linkMbps: linkMbps * links.share(worker) }
}

/** Of the machine that costs were measured on, where there is something to compare with it. */
export async function referenceSpeed(
  workers: readonly PlanWorker[],
  { measureSpeed, onTrouble }: DeploymentParts,
): Promise<Speed | undefined> {
  if (workers.every(({ birth }) => birth.speed === undefined)) return undefined
  try {
    return await measureSpeed?.()
  } catch (error) {
    onTrouble(MillraceError.from(error))
    return undefined
  }
}

/** Who plans the next time begins with what was rehearsed. */
export function remember(workers: readonly PlanWorker[], { registry, slowdownOf }: DeploymentParts): void {
  for (const { birth, slowdown = 1 } of workers) {
    registry.rehearsed(birth.worker, slowdown / slowdownOf(birth.worker))
  }
}
