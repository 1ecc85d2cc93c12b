import { randomBytes } from 'node:crypto'
import { type Activation, activationKeyOf, type PlanStage, type Spec } from '../../core/control.js'
import { MillraceError } from '../../core/errors.js'
import { type LinkAddress } from '../../core/link.js'
import { type Topics } from '../../core/topics.js'
import { type WorkerRegistry } from './registry.js'
import { type PreparedPart } from './workshop/messages.js'

/** A part, and who runs it; the index is the stage. */
export interface Placed {
  readonly part: PreparedPart
  readonly replicas: readonly { readonly worker: string; readonly weight: number }[]
}

interface Where {
  readonly topics: Topics
  readonly registry: WorkerRegistry
}

const REPLICA = 0
/** Dispatchers whose full windows a stage's inbox has room for. */
const DISPATCHERS = 8
const PASSWORD_BYTES = 24

/** What a dispatcher begins with, where it finds out how many frames at once do good. */
export const LEAST_WINDOW = 4

/** One frame that runs and one that waits in each stage, and one on either end: more never do good. */
export function windowOf({ window }: Spec, stages: number): number {
  return window ?? 2 * stages + 2
}

/**
 * What each worker is to run in this epoch.
 * @throws LINK_UNREACHABLE: frames may only go straight from worker to worker, and one has no inbox for them
 */
export function activationsOf(
  spec: Spec,
  placed: readonly Placed[],
  where: Where & { readonly term: number },
  epoch: number,
): Map<string, Activation[]> {
  const inboxes = placed.map((_, stage) => inboxOf(spec, placed, stage, where, epoch))
  const byWorker = new Map<string, Activation[]>()
  for (const [stage, { part }] of placed.entries()) {
    const worker = workerOf(placed, stage)
    const [inbox, next] = [inboxes[stage], inboxes[stage + 1]]
    if (inbox === undefined) continue
    const activation: Activation = {
      pipeline: spec.pipeline,
      epoch,
      stage,
      replica: REPLICA,
      term: where.term,
      part: part.part,
      receives: [...part.receives],
      carries: [...part.carries],
      sends: [...part.sends],
      inbox,
      ...(next === undefined ? {} : { next }),
      inboxFrames: windowOf(spec, placed.length) * DISPATCHERS,
      lz4: spec.lz4,
    }
    byWorker.set(worker, [...(byWorker.get(worker) ?? []), activation])
  }
  return byWorker
}

/** The stages as everybody may know them: without what lets somebody into an inbox. */
export function planStagesOf(
  { pipeline }: Spec,
  placed: readonly Placed[],
  { topics, registry }: Where,
  epoch: number,
): PlanStage[] {
  return placed.map(({ part }, stage) => {
    const worker = workerOf(placed, stage)
    const { operators, weightBytes, outBytes, computeMs, memoryBytes } = part
    const key = activationKeyOf({ pipeline, epoch, stage, replica: REPLICA })
    const actual = registry.get(worker)?.actual?.activations.find(one => activationKeyOf(one) === key)
    const inbox = { topic: topics.data.stage(pipeline, epoch, stage, REPLICA) }
    const link = actual?.link ?? 'broker'
    const costs = { operators, weightBytes, outBytes, computeMs, memoryBytes }
    return { stage, worker, replica: REPLICA, ...costs, link, inbox }
  })
}

/** Dispatchers feed the first stage through the cluster's broker: only stages know passwords of inboxes. */
function inboxOf(
  { pipeline, links }: Spec,
  placed: readonly Placed[],
  stage: number,
  { topics, registry }: Where,
  epoch: number,
): LinkAddress {
  const [worker, upstream] = [workerOf(placed, stage), workerOf(placed, stage - 1)]
  const address = { topic: topics.data.stage(pipeline, epoch, stage, REPLICA), worker }
  if (links === 'broker' || stage === 0) return address
  const url = registry.get(worker)?.birth.inbox
  const only = links === 'peer'
  if (url !== undefined) {
    const password = randomBytes(PASSWORD_BYTES).toString('base64url')
    return { ...address, peer: { url, username: `${pipeline}/${epoch}/${stage}`, password, only } }
  }
  // Within one worker frames go by reference.
  if (only && upstream !== worker)
    throw new MillraceError('LINK_UNREACHABLE', `worker '${worker}' has no inbox for its peers`)
  return address
}

function workerOf(placed: readonly Placed[], stage: number): string {
  return placed[stage]?.replicas[REPLICA]?.worker ?? ''
}
