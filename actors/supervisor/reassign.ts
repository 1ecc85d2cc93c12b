import { type Placed } from './placement.js'
import { type PreparedPart } from './workshop/messages.js'

/** A live worker, and what it has for one pipeline. */
export interface Candidate {
  readonly worker: string
  /** Compared with what the times of parts are those of. */
  readonly speed: number
  /** What the pipeline's partitions may take of its memory in all. */
  readonly memoryBytes: number
}

/** A stage that nobody can take. */
export interface Stranded {
  readonly stage: number
  /** Memory that it takes of a worker. */
  readonly needsBytes: number
  /** The most that a worker has left; undefined: no worker is alive, or none that has not failed with it before. */
  readonly mostBytes: number | undefined
}

/** What decides who may take a partition, and who is asked first. */
export interface Preferences {
  /** Whether a worker has failed with a partition before, and is not to be asked again. */
  readonly refuses: (worker: string, part: PreparedPart) => boolean
  /** Whether a worker has it on its disk, so that nothing need be fetched. */
  readonly holds: (worker: string, part: PreparedPart) => boolean
}

export type Reassigned = { readonly placed: readonly Placed[] } | { readonly stranded: Stranded }

/**
 * The same partitions on the workers that are left, with as few moved as can be: a stage that has another replica goes on
 * with it, and one that has none goes to the live worker that will be done with all its work soonest, of those that hold
 * its partition if any does. The stage that takes longest chooses first. Deterministic, whatever the order of the candidates.
 */
export function reassign(
  placed: readonly Placed[],
  candidates: readonly Candidate[],
  memoryOf: (part: PreparedPart) => number,
  { refuses, holds }: Preferences,
): Reassigned {
  const desks = desksOf(candidates)
  const kept = placed.map(({ part, replicas }) => ({
    part,
    replicas: replicas.filter(({ worker }) => desks.has(worker) && !refuses(worker, part)),
  }))
  for (const { part, replicas } of kept) {
    const all = replicas.reduce((sum, { weight }) => sum + weight, 0)
    for (const { worker, weight } of replicas) desks.get(worker)?.take(part, memoryOf(part), weight / all)
  }
  const byTime = kept
    .map((one, stage) => ({ ...one, stage }))
    .filter(({ replicas }) => replicas.length === 0)
    .sort((a, b) => b.part.computeMs - a.part.computeMs || a.stage - b.stage)
  for (const { part, stage, replicas } of byTime) {
    const able = [...desks.values()].filter(desk => !refuses(desk.worker, part))
    const holders = able.filter(desk => holds(desk.worker, part))
    const desk = soonest(holders, part, memoryOf(part)) ?? soonest(able, part, memoryOf(part))
    if (desk === undefined) return { stranded: strandedOf(stage, memoryOf(part), able) }
    desk.take(part, memoryOf(part), 1)
    replicas.push({ worker: desk.worker, weight: 1 })
  }
  return { placed: kept }
}

/** What a worker has taken on so far. */
class Desk {
  private ms = 0
  private bytes = 0

  constructor(private readonly candidate: Candidate) {}

  get worker(): string {
    return this.candidate.worker
  }

  get freeBytes(): number {
    return this.candidate.memoryBytes - this.bytes
  }

  /** When it would be done with a frame's work, that of the part included. */
  doneWith({ computeMs }: PreparedPart): number {
    return (this.ms + computeMs) / this.candidate.speed
  }

  take({ computeMs }: PreparedPart, bytes: number, share: number): void {
    this.ms += computeMs * share
    this.bytes += bytes
  }
}

function desksOf(candidates: readonly Candidate[]): Map<string, Desk> {
  const sorted = [...candidates].sort((a, b) => a.worker.localeCompare(b.worker, 'en', { numeric: true }))
  return new Map(sorted.map(candidate => [candidate.worker, new Desk(candidate)]))
}

function soonest(desks: readonly Desk[], part: PreparedPart, bytes: number): Desk | undefined {
  const fitting = desks.filter(({ freeBytes }) => freeBytes >= bytes)
  const least = Math.min(...fitting.map(desk => desk.doneWith(part)))
  return fitting.find(desk => desk.doneWith(part) === least)
}

function strandedOf(stage: number, needsBytes: number, desks: readonly Desk[]): Stranded {
  const mostBytes =
    desks.length === 0 ? undefined : Math.max(...desks.map(({ freeBytes }) => Math.max(0, freeBytes)))
  return { stage, needsBytes, mostBytes }
}
