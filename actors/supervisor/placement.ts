import { randomBytes } from 'node:crypto'
import { type Activation, activationKeyOf, type PlanStage, type Spec } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type LinkAddress, type ReplicaAddress } from '../../core/link.js'
import { type TensorSpec } from '../../core/tensor.js'
import { type Topics } from '../../core/topics.js'
import { type Coding } from '../../core/wire.js'
import { type WorkerRegistry } from './registry.js'
import { type PreparedPart } from './workshop/messages.js'

/** A part, and who runs it; the index is the stage, and that among the replicas is theirs. */
export interface Placed {
  readonly part: PreparedPart
  readonly replicas: readonly PlacedReplica[]
}

export interface PlacedReplica {
  readonly worker: string
  /** How many of the stage's frames it takes, beside the others; above 0. */
  readonly weight: number
  /** On this worker, for each frame of the pipeline; left out: as the part says. */
  readonly computeMs?: number
  /** How many times slower than usual the worker was taken to be for that; left out: 1. */
  readonly slowdown?: number
}

interface Where {
  readonly topics: Topics
  readonly registry: WorkerRegistry
}

/** Dispatchers whose full windows a stage's inbox has room for. */
const DISPATCHERS = 8
const PASSWORD_BYTES = 24

/** What a plan and what it asked for say alike of how its stages are put together. */
export type Terms = Pick<Spec, 'pipeline' | 'links' | 'lz4' | 'window'>

/** What a dispatcher begins with, where it finds out how many frames at once do good. */
const LEAST_WINDOW = 4

/** Every replica beside the first of its stage needs a frame of its own before it can show what it is good for. */
export function leastWindowOf(stages: readonly PlanStage[]): number {
  return LEAST_WINDOW + stages.filter(({ replica }) => replica > 0).length
}

/**
 * As many frames as may ever do good: one that runs in each replica and three that wait, and so many again on the way. With
 * half as many, small machines under a quota of the processor stand still a fifth of the time (measured): each is held up
 * now and then, and those after it run out of frames. Dispatchers find out how many of these do good.
 */
export function windowOf({ window }: Pick<Terms, 'window'>, replicas: number): number {
  return window ?? 4 * replicas + 4
}

/**
 * What each worker is to run in this epoch.
 * @throws LINK_UNREACHABLE: frames may only go straight from worker to worker, and one has no inbox for them
 */
export function activationsOf(
  spec: Terms,
  placed: readonly Placed[],
  where: Where & { readonly term: number },
  epoch: number,
): Map<string, Activation[]> {
  const inboxes = placed.map((_, stage) => inboxesOf(spec, placed, stage, where, epoch))
  const inboxFrames = windowOf(spec, inboxes.flat().length) * DISPATCHERS
  const byWorker = new Map<string, Activation[]>()
  for (const [stage, { part, replicas }] of placed.entries()) {
    const next = inboxes[stage + 1]
    for (const [replica, { worker }] of replicas.entries()) {
      const inbox = inboxes[stage]?.[replica]
      if (inbox === undefined) continue
      const activation: Activation = {
        pipeline: spec.pipeline,
        epoch,
        stage,
        replica,
        term: where.term,
        part: part.part,
        receives: [...part.receives],
        carries: [...part.carries],
        sends: [...part.sends],
        ...codingsOf(part),
        inbox,
        ...(next === undefined ? {} : { next: weighted(next, placed[stage + 1]) }),
        inboxFrames,
        lz4: spec.lz4,
        ...(part.rehearse === undefined ? {} : { rehearse: part.rehearse.map(shapeOf) }),
      }
      byWorker.set(worker, [...(byWorker.get(worker) ?? []), activation])
    }
  }
  return byWorker
}

function codingsOf({ decodes = [], encodes = [] }: PreparedPart): Pick<Activation, 'decodes' | 'encodes'> {
  const copies = (codings: readonly Coding[]) => codings.map(one => ({ ...one, tensors: [...one.tensors] }))
  return {
    ...(decodes.length === 0 ? {} : { decodes: copies(decodes) }),
    ...(encodes.length === 0 ? {} : { encodes: copies(encodes) }),
  }
}

function shapeOf({ name, dtype, dims }: TensorSpec) {
  return { name, dtype, dims: [...dims] }
}

/** The stages as everybody may know them: without what lets somebody into an inbox. */
export function planStagesOf(
  { pipeline }: Terms,
  placed: readonly Placed[],
  { topics, registry }: Where,
  epoch: number,
): PlanStage[] {
  return placed.flatMap(({ part, replicas }, stage) =>
    replicas.map(({ worker, weight, computeMs = part.computeMs, slowdown = 1 }, replica) => {
      const { operators, weightBytes, outBytes, wire, memoryBytes } = part
      const slow = slowdown > 1 ? { slowdown } : {}
      const costs = { operators, weightBytes, outBytes, wire, computeMs, ...slow, memoryBytes }
      const key = activationKeyOf({ pipeline, epoch, stage, replica })
      const actual = registry.get(worker)?.actual?.activations.find(one => activationKeyOf(one) === key)
      const inbox = { topic: topics.data.stage(pipeline, epoch, stage, replica) }
      const link = actual?.link ?? 'broker'
      return { stage, worker, replica, weight, ...costs, link, inbox }
    }),
  )
}

function weighted(inboxes: readonly LinkAddress[], placed: Placed | undefined): ReplicaAddress[] {
  return inboxes.map((inbox, i) => ({ ...inbox, weight: placed?.replicas[i]?.weight ?? 1 }))
}

/**
 * One for each replica, with a password of its own that all replicas of the stage before know. Dispatchers feed the first
 * stage through the cluster's broker: only stages know passwords of inboxes.
 */
function inboxesOf(
  { pipeline, links }: Terms,
  placed: readonly Placed[],
  stage: number,
  { topics, registry }: Where,
  epoch: number,
): LinkAddress[] {
  const upstream = placed[stage - 1]?.replicas ?? []
  return (placed[stage]?.replicas ?? []).map(({ worker }, replica) => {
    const address = { topic: topics.data.stage(pipeline, epoch, stage, replica), worker }
    if (links === 'broker' || stage === 0) return address
    const url = registry.get(worker)?.birth.inbox
    const only = links === 'peer'
    if (url !== undefined) {
      const username = `${pipeline}/${epoch}/${stage}/${replica}`
      const password = randomBytes(PASSWORD_BYTES).toString('base64url')
      return { ...address, peer: { url, username, password, only } }
    }
    // Within one worker frames go by reference.
    if (only && upstream.some(other => other.worker !== worker))
      throw new MillraceError('LINK_UNREACHABLE', `worker '${worker}' has no inbox for its peers`)
    return address
  })
}
