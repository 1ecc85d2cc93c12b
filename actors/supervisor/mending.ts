import { type Activation, type Plan, type PlanReason, type PlanStage } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type EpochParts, loadEpoch, publishPlan } from './epoch.js'
import { type HolderParts, holdersOf, withHolders } from './holders.js'
import { type Paces } from './paces.js'
import { activationsOf, leastWindowOf, type Placed, planStagesOf, type Terms, windowOf } from './placement.js'
import { type Candidate, reassign, type Stranded } from './reassign.js'
import { type PreparedPart } from './workshop/messages.js'

export interface MendParts extends EpochParts, HolderParts {
  readonly term: number
  /** The next epoch; each call gives a larger one. */
  readonly nextEpoch: () => number
  /** Whether a worker could not load a partition of late. */
  readonly refuses: (worker: string, part: PreparedPart) => boolean
  /** That, or its runtime has crashed with it: one that is asked when nobody else is there. */
  readonly avoids: MendParts['refuses']
  readonly paces: () => Paces
  /** Memory of a worker that other plans than this take. */
  readonly takenBytes: (worker: string, plan: Plan) => number
}

/** Partitions are cut and checked already: to load one takes seconds at most, unless it must be fetched. */
const LOAD_LIMIT_MS = 60_000

/**
 * Brings a plan that lost workers into force again with the same partitions, as few of them moved as can be, under a new
 * epoch in which all frames under way are sent again.
 * @returns the plan in force
 * @throws NO_WORKER: no live worker has room for a stage, or nobody knows its partitions any more; or as `loadEpoch`
 */
export async function mend(
  plan: Plan,
  reason: PlanReason,
  parts: MendParts,
  signal: AbortSignal,
): Promise<Plan> {
  const paces = parts.paces()
  const before = placedOf(plan, parts.assignments.of(plan.pipeline, plan.epoch), paces)
  const holds = memoised(sha256 => new Set(holdersOf(sha256, parts)))
  const candidates = candidatesOf(plan, parts, paces)
  const place = (refuses: MendParts['refuses']) =>
    reassign(before, candidates, ({ memoryBytes }) => memoryBytes, {
      refuses,
      holds: (worker, { part }) => holds(part.sha256).has(worker),
    })
  const without = place(parts.avoids)
  const result = 'stranded' in without ? place(parts.refuses) : without
  if ('stranded' in result) throw noRoom(result.stranded)
  const mended = await bringInForce(plan, timed(result.placed, paces), parts, signal)
  // What was predicted was so of the workers before.
  const { predicted: _, ...kept } = mended
  const inForce: Plan = { ...kept, handover: 'replay', reason }
  await publishPlan(parts, inForce)
  return inForce
}

/**
 * Has workers load a plan's partitions where they are placed now.
 * @returns the plan under its new epoch, which nobody knows yet
 * @throws as `loadEpoch`
 */
export async function bringInForce(
  plan: Plan,
  placed: readonly Placed[],
  parts: Omit<MendParts, 'refuses' | 'avoids' | 'paces' | 'takenBytes'>,
  signal: AbortSignal,
): Promise<Plan> {
  const terms = termsOf(plan)
  const epoch = parts.nextEpoch()
  const activations = await withHolders(activationsOf(terms, placed, parts, epoch), parts)
  await loadEpoch(activations, parts, LOAD_LIMIT_MS, signal)
  const stages = planStagesOf(terms, placed, parts, epoch)
  const { leastWindow, revision: _, ...kept } = plan
  return {
    ...kept,
    ...{ term: parts.term, epoch, stages, window: windowOf(terms, stages.length) },
    ...(leastWindow === undefined ? {} : { leastWindow: leastWindowOf(stages) }),
  }
}

/** Live workers that may run something of a plan, with the memory that is theirs to give. */
export function candidatesOf(
  plan: Plan,
  { registry, takenBytes }: Pick<MendParts, 'registry' | 'takenBytes'>,
  paces: Paces,
): Candidate[] {
  return registry
    .alive()
    .filter(({ birth }) => plan.asked?.exclude?.includes(birth.worker) !== true)
    .map(({ birth }) => ({
      worker: birth.worker,
      speed: paces.now(birth.worker),
      memoryBytes: (birth.availableBytes ?? birth.memoryBytes) - takenBytes(birth.worker, plan),
    }))
}

/**
 * What somebody is to run says where a stage's partition is, and the plan what it costs: here, on a worker of pace 1.
 * @throws NO_WORKER: nobody knows where its partitions are
 */
export function placedOf(plan: Plan, activations: readonly Activation[], paces: Paces): Placed[] {
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
    const share = first.weight / planned.reduce((sum, { weight }) => sum + weight, 0)
    const pace = paces.usual(first.worker) / (first.slowdown ?? 1)
    return {
      part: partOf(activation, first, (first.computeMs / share) * pace),
      replicas: planned.map(({ worker, weight }) => ({ worker, weight })),
    }
  })
}

/** With what each replica takes on the worker that it has now. */
export function timed(placed: readonly Placed[], paces: Paces): Placed[] {
  return placed.map(({ part, replicas }) => {
    const all = replicas.reduce((sum, { weight }) => sum + weight, 0)
    const onWorker = ({ worker, weight }: Placed['replicas'][number]) => {
      const computeMs = (part.computeMs * weight) / all / paces.now(worker)
      return { worker, weight, computeMs, slowdown: paces.slowdown(worker) }
    }
    return { part, replicas: replicas.map(onWorker) }
  })
}

function termsOf({ pipeline, links, lz4, window, leastWindow }: Plan): Terms {
  return { pipeline, links, lz4, ...(leastWindow === undefined ? { window } : {}) }
}

function partOf({ part, ...activation }: Activation, planned: PlanStage, computeMs: number): PreparedPart {
  const { receives, carries, sends, decodes, encodes } = activation
  const { operators, weightBytes, outBytes, wire, memoryBytes = weightBytes } = planned
  const { sha256, bytes } = part
  const about = { operators, weightBytes, outBytes, wire, computeMs, memoryBytes }
  return { part: { sha256, bytes }, receives, carries, sends, decodes, encodes, ...about }
}

function memoised<T>(work: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>()
  return key => {
    const value = known.get(key) ?? work(key)
    known.set(key, value)
    return value
  }
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
