import { type PartSource, type Plan } from '../../core/control/index.js'
import { sourcesOf } from './holders.js'
import { candidatesOf, type MendParts, placedOf } from './mending.js'
import { reassign } from './reassign.js'

type PrefetchParts = Omit<MendParts, 'nextEpoch' | 'term'>

/**
 * What workers are to fetch before it is needed: whichever one of them is lost, those that would take its partitions have
 * them then.
 * @returns by worker
 * @throws NO_WORKER: nobody knows where the partitions are
 */
export async function spareParts(
  plan: Plan,
  parts: PrefetchParts,
): Promise<ReadonlyMap<string, readonly PartSource[]>> {
  const paces = parts.paces()
  const placed = placedOf(plan, parts.assignments.of(plan.pipeline, plan.epoch), paces)
  const candidates = candidatesOf(plan, parts, paces)
  // Who holds one by chance is not to keep it from a worker that has nothing to do.
  const preferences = { refuses: parts.refuses, holds: () => false }
  const wanted = new Map<string, Set<string>>()
  for (const lost of new Set(plan.stages.map(({ worker }) => worker))) {
    const left = candidates.filter(({ worker }) => worker !== lost)
    const result = reassign(placed, left, ({ memoryBytes }) => memoryBytes, preferences)
    if ('stranded' in result) continue
    for (const [stage, { part, replicas }] of result.placed.entries()) {
      for (const { worker } of replicas) {
        if (placed[stage]?.replicas.some(replica => replica.worker === worker) === true) continue
        wanted.set(worker, (wanted.get(worker) ?? new Set()).add(part.part.sha256))
      }
    }
  }
  const sources = await sourcesOf(
    placed.map(({ part }) => part.part),
    parts,
  )
  return new Map(
    [...wanted].map(([worker, names]) => [worker, [...names].flatMap(name => sources.get(name) ?? [])]),
  )
}
