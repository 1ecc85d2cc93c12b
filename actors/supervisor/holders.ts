import { type Activation, activationKeyOf, type PartSource } from '../../core/control/index.js'
import { type PartStore } from '../model-store/index.js'
import { type Assignments } from './assignments.js'
import { type WorkerRegistry } from './registry.js'

export interface HolderParts {
  readonly registry: WorkerRegistry
  readonly assignments: Assignments
  readonly store: PartStore
}

/** Live workers that have a part on their disk: they run it, or fetched it beforehand. */
export function holdersOf(sha256: string, { registry, assignments }: Omit<HolderParts, 'store'>): string[] {
  return registry.alive().flatMap(({ birth: { worker }, actual }) => {
    const ready = new Set(
      actual?.activations.filter(({ state }) => state === 'ready').map(one => activationKeyOf(one)),
    )
    const runs = assignments
      .ofWorker(worker)
      .some(one => one.part.sha256 === sha256 && ready.has(activationKeyOf(one)))
    return runs || actual?.prefetched?.includes(sha256) === true ? [worker] : []
  })
}

/** The same, with whom to ask for what this supervisor does not have, because another has cut it. */
export async function withHolders(
  activations: ReadonlyMap<string, readonly Activation[]>,
  parts: HolderParts,
): Promise<Map<string, Activation[]>> {
  const all = [...activations.values()].flat().map(({ part }) => part)
  const sources = await sourcesOf(all, parts)
  const named = (activation: Activation) => {
    return { ...activation, part: sources.get(activation.part.sha256) ?? activation.part }
  }
  return new Map([...activations].map(([worker, list]) => [worker, list.map(named)]))
}

/** Each part, by its SHA-256, with whom to ask for it. */
export async function sourcesOf(
  all: readonly PartSource[],
  parts: HolderParts,
): Promise<Map<string, PartSource>> {
  const distinct = new Map(all.map(part => [part.sha256, part]))
  const sources = [...distinct.values()].map(async ({ sha256, bytes }): Promise<[string, PartSource]> => {
    const isHere = (await parts.store.read(sha256, 0, 1)) !== undefined
    const holders = isHere ? [] : holdersOf(sha256, parts)
    return [sha256, { sha256, bytes, ...(holders.length === 0 ? {} : { holders }) }]
  })
  return new Map(await Promise.all(sources))
}
