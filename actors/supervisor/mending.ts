import { type Activation, type Plan, type PlanStage } from '../../core/control.js'
import { MillraceError } from '../../core/errors.js'
import { type EpochParts, loadEpoch, publishPlan } from './epoch.js'
import { activationsOf, leastWindowOf, type Placed, planStagesOf, type Terms, windowOf } from './placement.js'
import { type Candidate, reassign, type Stranded } from './reassign.js'
import { type PreparedPart } from './workshop/messages.js'

export interface MendParts extends EpochParts {
  readonly term: number
  /** The next epoch; each call gives a larger one. */
  readonly nextEpoch: () => number
  /** Whether a worker has failed with a partition of late. */
  readonly refuses: (worker: string, part: PreparedPart) => boolean
}

/** Partitions are cut and checked already: to load one takes seconds at most, unless it must be fetched. */
const LOAD_LIMIT_MS = 60_000

/**
 * Brings a plan that lost workers into force again with the same partitions, as few of them moved as can be, under a new
 * epoch in which all frames under way are sent again.
 * @returns the plan in force
 * @throws NO_WORKER: no live worker has room for a stage, or nobody knows its partitions any more; or as `loadEpoch`
 */
export async function mend(plan: Plan, parts: MendParts, signal: AbortSignal): Promise<Plan> {
  const { registry, assignments, refuses, term } = parts
  const before = placedOf(plan, assignments.of(plan.pipeline, plan.epoch))
  const candidates = registry.alive().map(({ birth }): Candidate => ({
    worker: birth.worker,
    speed: 1,
    memoryBytes: birth.availableBytes ?? birth.memoryBytes,
  }))
  const result = reassign(before, candidates, ({ memoryBytes }) => memoryBytes, refuses)
  if ('stranded' in result) throw noRoom(result.stranded)
  const terms = termsOf(plan)
  const epoch = parts.nextEpoch()
  await loadEpoch(activationsOf(terms, result.placed, parts, epoch), parts, LOAD_LIMIT_MS, signal)
  const stages = planStagesOf(terms, result.placed, parts, epoch)
  // What was predicted was so of the workers before.
  const { predicted: _, ...kept } = plan
  const window = windowOf(terms, stages.length)
  const mended: Plan = { ...kept, term, epoch, stages, window, handover: 'replay' }
  if (plan.leastWindow !== undefined) mended.leastWindow = leastWindowOf(stages)
  await publishPlan(parts, mended)
  return mended
}

function termsOf({ pipeline, links, lz4, window, leastWindow }: Plan): Terms {
  return { pipeline, links, lz4, ...(leastWindow === undefined ? { window } : {}) }
}

/** What somebody is to run says where a stage's partition is, and the plan what it costs. */
function placedOf(plan: Plan, activations: readonly Activation[]): Placed[] {
  const stages = Math.max(...plan.stages.map(({ stage }) => stage)) + 1
  return Array.from({ length: stages }, (_, stage) => {
    const planned = plan.stages.filter(one => one.stage === stage)
    const activation = activations.find(one => one.stage === stage)
    const [first] = planned
    if (activation === undefined || first === undefined) {
      throw new MillraceError(
        'NO_WORKER',
        `it is not known any more where the partition of stage ${stage} is; deploy the model again`,
      )
    }
    return {
      part: partOf(activation, first),
      replicas: planned.map(({ worker, weight }) => ({ worker, weight })),
    }
  })
}

function partOf({ part, receives, carries, sends }: Activation, planned: PlanStage): PreparedPart {
  const { operators, weightBytes, outBytes, computeMs, memoryBytes = weightBytes } = planned
  return { part, receives, carries, sends, operators, weightBytes, outBytes, computeMs, memoryBytes }
}

function noRoom({ stage, needsBytes, mostBytes }: Stranded): MillraceError {
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
  return new MillraceError(
    'NO_WORKER',
    mostBytes === undefined
      ? `no worker is there for stage ${stage}; it goes on when one comes`
      : `stage ${stage} takes ${mib(needsBytes)} of memory, and no worker has more than ${mib(mostBytes)} left; it goes on when one comes that has`,
  )
}
