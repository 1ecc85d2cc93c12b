import { setTimeout } from 'node:timers/promises'
import { type Bus, type BusMessage } from '../core/bus.js'
import {
  type ActorProgress,
  Beat,
  Birth,
  decodeControl,
  Leader,
  PipelineStatus,
  Plan,
} from '../core/control.js'
import { type Topics } from '../core/topics.js'

/** What a cluster says of itself. */
export interface ClusterView {
  readonly leader?: Leader
  readonly workers: readonly {
    readonly worker: string
    readonly cores: number
    readonly memoryBytes: number
    /** Left out for a worker that did not beat while it was listened to. */
    readonly rssBytes?: number
    readonly actors: readonly ActorProgress[]
  }[]
  readonly pipelines: readonly {
    readonly pipeline: string
    readonly state: string
    readonly epoch: number
    readonly stages: number
    readonly model: string
  }[]
}

/** Long enough for several beats of every worker. */
const LISTEN_MS = 1_000

/** Listens to a cluster for a moment. */
export async function viewCluster(bus: Bus, topics: Topics): Promise<ClusterView> {
  const leaders = new Map<string, Leader>()
  const births = new Map<string, Birth>()
  const beats = new Map<string, Beat>()
  const plans = new Map<string, Plan>()
  const statuses = new Map<string, PipelineStatus>()
  const collect = <T>(filter: string, schema: Parameters<typeof decodeControl<T>>[0], into: Map<string, T>) =>
    bus.subscribe(filter, ({ topic, payload }: BusMessage) => {
      const value = decodeControl(schema, payload)
      const key = topic.split('/').at(-2) ?? ''
      if (value === undefined) into.delete(key)
      else into.set(key, value)
    })
  const subscriptions = [
    await collect(topics.supervisor.leader, Leader, leaders),
    await collect(topics.worker.births, Birth, births),
    await collect(topics.worker.beats, Beat, beats),
    await collect(topics.pipeline.plans, Plan, plans),
    await collect(topics.pipeline.statuses, PipelineStatus, statuses),
  ]
  await setTimeout(LISTEN_MS)
  await Promise.all(subscriptions.map(subscription => subscription.close()))
  return viewOf([...leaders.values()][0], births, beats, plans, statuses)
}

function viewOf(
  leader: Leader | undefined,
  births: ReadonlyMap<string, Birth>,
  beats: ReadonlyMap<string, Beat>,
  plans: ReadonlyMap<string, Plan>,
  statuses: ReadonlyMap<string, PipelineStatus>,
): ClusterView {
  return {
    ...(leader === undefined ? {} : { leader }),
    workers: valuesInOrder(births).map(({ worker, cores, memoryBytes }) => {
      const beat = beats.get(worker)
      const rss = beat === undefined ? {} : { rssBytes: beat.rssBytes }
      return { worker, cores, memoryBytes, ...rss, actors: beat?.actors ?? [] }
    }),
    pipelines: valuesInOrder(statuses).map(({ pipeline, state, epoch }) => {
      const plan = plans.get(pipeline)
      return { pipeline, state, epoch, stages: plan?.stages.length ?? 0, model: plan?.model.name ?? '' }
    }),
  }
}

/** In the natural order of their keys: messages come in whatever order the broker has them. */
function valuesInOrder<T>(values: ReadonlyMap<string, T>): T[] {
  return [...values].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })).map(([, value]) => value)
}
