import { type ExecutionContext } from 'ava'
import { NEVER } from 'rxjs'
import { Dispatcher } from '../../actors/dispatcher/index.js'
import { serveParts } from '../../actors/model-store/index.js'
import { Assignments } from '../../actors/supervisor/assignments.js'
import { activationsOf, type Placed, planStagesOf, windowOf } from '../../actors/supervisor/placement.js'
import { WorkerRegistry } from '../../actors/supervisor/registry.js'
import { cutModel } from '../../actors/supervisor/workshop/workshop.js'
import { type Bus } from '../../core/bus.js'
import { Actual, Beat, Birth, type Plan, type Spec } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { readGraph } from '../../core/graph/index.js'
import { brokerLink } from '../../core/link.js'
import { hear, inTurns, modelFile, testStore, TOPICS } from './actors.js'

const EPOCH = 1
const SPEC: Spec = {
  pipeline: 'p',
  deployment: 'd',
  model: { sha256: '0'.repeat(64), bytes: 1, name: 'm' },
  lz4: 'never',
  links: 'peer',
  deployTimeoutMs: 60_000,
}

/** A stage for each, and in it a replica for each worker, with its weight. */
export type Layout = readonly Readonly<Record<string, number>>[]

/**
 * Cuts `model` and has its parts run as `layout` says, in a supervisor's place; for workers that are there already.
 * @returns the plan, when all replicas are ready
 */
export async function runReplicated(
  t: ExecutionContext,
  bus: Bus,
  model: Uint8Array,
  layout: Layout,
): Promise<Plan> {
  const store = await testStore(t)
  const registry = await registryOn(bus)
  const read = (sha256: string, offset: number, length: number) => store.read(sha256, offset, length)
  await serveParts(bus, TOPICS, read, () => undefined)
  const cuts = cutsFor(model, layout.length)
  const order = {
    ...{ model: await modelFile(t, model), name: 'm', cuts, data: [] },
    ...{ directory: store.directory, limitBytes: 2 ** 30 },
  }
  const { parts, inputs, outputs, sampleError } = await cutModel(
    order,
    made =>
      store.hold(
        'made',
        made.parts.map(({ part }) => part.sha256),
      ),
    new AbortController().signal,
  )
  const placed = parts.map((part, stage): Placed => {
    const replicas = Object.entries(layout[stage] ?? {})
    return {
      part: { ...part, computeMs: 1, memoryBytes: 1 },
      replicas: replicas.map(([worker, weight]) => ({ worker, weight })),
    }
  })
  const workers = new Set(layout.flatMap(stage => Object.keys(stage)))
  await inTurns(() => [...workers].every(worker => registry.get(worker) !== undefined))
  const where = { topics: TOPICS, registry, term: 1 }
  const activations = activationsOf(SPEC, placed, where, EPOCH)
  await new Assignments(bus, TOPICS, 1, store).add(activations)
  const states = () => [...workers].flatMap(worker => registry.get(worker)?.actual?.activations ?? [])
  const wanted = [...activations.values()].flat().length
  await inTurns(() => {
    const failed = states().find(({ state }) => state === 'failed')
    if (failed !== undefined) throw new MillraceError('INTERNAL', failed.error?.message ?? 'failed')
    return states().filter(({ state }) => state === 'ready').length === wanted
  })
  const stages = planStagesOf(SPEC, placed, where, EPOCH)
  return {
    ...{
      pipeline: 'p',
      deployment: 'd',
      term: 1,
      epoch: EPOCH,
      model: SPEC.model,
      lz4: 'never',
      sampleError,
    },
    inputs: inputs.map(spec => ({ ...spec, dims: [...spec.dims] })),
    outputs: outputs.map(spec => ({ ...spec, dims: [...spec.dims] })),
    stages,
    window: windowOf(SPEC, stages.length),
    links: SPEC.links,
    handover: 'replay',
  }
}

/** Positions that make so many parts of about as many nodes each. */
function cutsFor(model: Uint8Array, parts: number): number[] {
  const { positions } = readGraph(model)
  const cuttable = positions.flatMap(({ cuttable }, i) => (cuttable ? [i + 1] : []))
  return Array.from({ length: parts - 1 }, (_, i) => {
    const cut = cuttable[Math.floor(((i + 1) * cuttable.length) / parts)]
    if (cut === undefined) throw new MillraceError('TOO_MANY_PARTITIONS', `not ${parts} parts`)
    return cut
  })
}

/** A dispatcher of a plan that stays as it is. */
export async function dispatcherOf(
  t: ExecutionContext,
  bus: Bus,
  plan: Plan,
  id = 'door',
): Promise<Dispatcher> {
  const link = brokerLink(bus, { sendTimeoutMs: 10_000 })
  const onTrouble = ({ code, message }: MillraceError) => t.log(`${code}: ${message}`)
  const parts = {
    id,
    pipeline: 'p',
    topics: TOPICS,
    link,
    plan$: NEVER,
    crash$: NEVER,
    restored$: NEVER,
    onTrouble,
  }
  const dispatcher = await Dispatcher.start(parts, plan)
  t.teardown(() => dispatcher.close())
  return dispatcher
}

async function registryOn(bus: Bus): Promise<WorkerRegistry> {
  const registry = new WorkerRegistry({ deadAfterMs: 60_000, acceptablePauseMs: 60_000 })
  ;(await hear(bus, TOPICS.worker.births, Birth)).subscribe(birth => registry.born(birth))
  ;(await hear(bus, TOPICS.worker.beats, Beat)).subscribe(beat => registry.beaten(beat))
  ;(await hear(bus, TOPICS.worker.actuals, Actual)).subscribe(actual => registry.reported(actual))
  return registry
}
