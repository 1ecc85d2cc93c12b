import {
  activationKeyOf,
  type ActorProgress,
  type Birth,
  type DispatcherReport,
  type Findings,
  type Leader,
  type PipelineStatus,
  type Plan,
} from '../core/control/index.js'
import { type LinkKind } from '../core/link.js'
import { versionOf, versionsIn } from '../core/versions.js'
import { type ActorRates, type BeatTrail } from './rates.js'

export interface WorkerState {
  readonly worker: string
  /** `silent`: no beat of it was heard, or none of late. */
  readonly state: 'alive' | 'silent'
  readonly cores: number
  readonly memoryBytes: number
  /** Of all its processes. Left out for a silent one. */
  readonly rssBytes?: number
  /** Of one core: 200 is two of them. */
  readonly cpuPercent?: number
  readonly actors: readonly ActorProgress[]
  /** What the supervisor finds wrong with it; left out: nothing. */
  readonly finding?: Finding
}

export type Finding = Omit<Findings['findings'][number], 'worker'>

export interface PipelineState {
  readonly pipeline: string
  readonly state: PipelineStatus['state']
  readonly error?: NonNullable<PipelineStatus['error']>
  readonly epoch: number
  /** Why the plan in force was made, or what is being done about it. */
  readonly reason?: NonNullable<PipelineStatus['reason']>
  readonly stages: number
  readonly model: string
  /** Of the model that takes all frames or most; empty where no plan is in force. */
  readonly version: string
  /** Another that takes a share of them, above 0 and below 1. */
  readonly canary?: { readonly model: string; readonly version: string; readonly share: number }
  /** Predictions per second of all dispatchers. */
  readonly fps: number
  /** What the plan was expected to come to; left out where it does not say. */
  readonly predictedFps?: number
  /** Of the dispatcher where it is longest. Left out where nothing was predicted of late. */
  readonly latencyMs?: { readonly p50: number; readonly p99: number }
  /** Of the dispatchers that have frames, since each started. */
  readonly frames: DispatcherReport['frames']
  readonly dispatchers: readonly DispatcherReport[]
}

export interface StageState extends Partial<ActorRates> {
  readonly pipeline: string
  readonly epoch: number
  /** Of the model whose stage it is. */
  readonly version: string
  readonly stage: number
  readonly replica: number
  readonly worker: string
  /** Which way it sends what it makes. */
  readonly link: LinkKind
  /** Counts of its actor; left out where its worker does not tell of it. */
  readonly frames?: number
  readonly failures?: number
  readonly waiting?: number
}

/** What a cluster says of itself. */
export interface ClusterView {
  readonly leader?: Leader
  readonly workers: readonly WorkerState[]
  readonly pipelines: readonly PipelineState[]
  readonly stages: readonly StageState[]
}

/** What was heard, by names. */
export interface Heard {
  readonly leader: Leader | undefined
  readonly findings: Findings | undefined
  readonly births: ReadonlyMap<string, Birth>
  /** Without those of workers that have been silent for too long. */
  readonly beats: ReadonlyMap<string, BeatTrail>
  readonly plans: ReadonlyMap<string, Plan>
  readonly statuses: ReadonlyMap<string, PipelineStatus>
  /** Without those of dispatchers that have been silent for too long. */
  readonly reports: readonly DispatcherReport[]
}

export function viewOf(heard: Heard): ClusterView {
  const { leader, findings, births, beats, plans, statuses, reports } = heard
  return {
    ...(leader === undefined ? {} : { leader }),
    workers: inOrder(births).map(birth => {
      const found = findings?.findings.find(({ worker }) => worker === birth.worker)
      return { ...workerState(birth, beats.get(birth.worker)), ...findingOf(found) }
    }),
    pipelines: inOrder(statuses).map(status => {
      const own = reports.filter(({ pipeline }) => pipeline === status.pipeline)
      return pipelineState(status, plans.get(status.pipeline), own)
    }),
    stages: inOrder(plans)
      .flatMap(versionsIn)
      .flatMap(plan => stageStates(plan, beats)),
  }
}

function workerState({ worker, incarnation, cores, memoryBytes }: Birth, trail?: BeatTrail): WorkerState {
  const beat = trail?.last
  if (beat?.incarnation !== incarnation) return { worker, state: 'silent', cores, memoryBytes, actors: [] }
  const { rssBytes, actors } = beat
  const cpuPercent = trail?.cpuPercent
  const cpu = cpuPercent === undefined ? {} : { cpuPercent }
  return { worker, state: 'alive', cores, memoryBytes, rssBytes, ...cpu, actors }
}

function findingOf(found: Findings['findings'][number] | undefined): Pick<WorkerState, 'finding'> {
  if (found === undefined) return {}
  const { worker: _, ...finding } = found
  return { finding }
}

function pipelineState(
  { pipeline, state, epoch, error, reason }: PipelineStatus,
  plan: Plan | undefined,
  dispatchers: readonly DispatcherReport[],
): PipelineState {
  const sum = (of: (report: DispatcherReport) => number) => dispatchers.reduce((all, one) => all + of(one), 0)
  const latencies = dispatchers.flatMap(({ latencyMs }) => latencyMs ?? [])
  const longest = (q: 'p50' | 'p99') => Math.max(...latencies.map(latency => latency[q]))
  return {
    ...{ pipeline, state, epoch, ...(error === undefined ? {} : { error }) },
    ...(reason === undefined ? {} : { reason }),
    stages: new Set(plan?.stages.map(({ stage }) => stage)).size,
    model: plan?.model.name ?? '',
    version: plan === undefined ? '' : versionOf(plan.model),
    ...canaryOf(plan),
    fps: sum(({ fps }) => fps),
    ...(plan?.predicted === undefined ? {} : { predictedFps: plan.predicted.fps }),
    ...(latencies.length === 0 ? {} : { latencyMs: { p50: longest('p50'), p99: longest('p99') } }),
    frames: {
      admitted: sum(({ frames }) => frames.admitted),
      predicted: sum(({ frames }) => frames.predicted),
      dropped: sum(({ frames }) => frames.dropped),
      failed: sum(({ frames }) => frames.failed),
      inFlight: sum(({ frames }) => frames.inFlight),
    },
    dispatchers,
  }
}

function canaryOf(plan: Plan | undefined): Pick<PipelineState, 'canary'> {
  if (plan?.canary === undefined) return {}
  const { share, plan: tried } = plan.canary
  return { canary: { model: tried.model.name, version: versionOf(tried.model), share } }
}

function stageStates(plan: Plan, beats: ReadonlyMap<string, BeatTrail>): StageState[] {
  const { pipeline, epoch } = plan
  const version = versionOf(plan.model)
  return plan.stages.map(({ stage, replica, worker, link }) => {
    const key = activationKeyOf({ pipeline, epoch, stage, replica })
    const isIt = (actor: ActorProgress) => activationKeyOf(actor) === key
    const trail = beats.get(worker)
    const actor = trail?.last?.actors.find(isIt)
    const place = { pipeline, epoch, version, stage, replica, worker, link }
    if (actor === undefined) return place
    // Which way it sends now, not when the plan was made.
    const { frames, failures, waiting, link: way } = actor
    return { ...place, link: way, frames, failures, waiting, ...trail?.ratesOf(isIt) }
  })
}

/** In the natural order of their keys: messages come in whatever order the broker has them. */
function inOrder<T>(values: ReadonlyMap<string, T>): T[] {
  return [...values].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })).map(([, value]) => value)
}
