import { bottleneckOf, latencyMs, type Load, loadsOf, memoryBytes, sharesOf } from './objective.js'
import { type PlannedStage, type PlanProblem } from './problem.js'
import { type SolvedPlan } from './solver/index.js'

export interface StageReport {
  readonly stage: number
  /** Its first device; `devices` has all. */
  readonly device: string
  readonly devices: readonly string[]
  readonly replicas: number
  /** Blocks [from, to). */
  readonly from: number
  readonly to: number
  /** Per frame of the pipeline, on each of its devices. */
  readonly computeMs: number
  readonly codecMs: number
  /** On each of its devices. */
  readonly memoryBytes: number
  readonly outBytes: number
  /** Of the slowest link to the next stage, or of the last stage's to the dispatcher, per frame of the pipeline. */
  readonly linkMs: number
}

export interface LoadReport {
  /** Such as `pi-1`, `pi-1 to pi-2`, `pi-1 sending`. */
  readonly resource: string
  readonly ms: number
}

/** What a plan comes to. */
export interface Figures {
  readonly bottleneckMs: number
  /** The slowest resource, as in `LoadReport`. */
  readonly bottleneck: string
  readonly fps: number
  readonly latencyMs: number
}

export interface PlanReport extends Figures {
  readonly model: string
  readonly devices: readonly string[]
  readonly stages: readonly StageReport[]
  readonly lowerBoundMs: number
  readonly gap: number
  readonly optimal: boolean
  readonly solveMs: number
  /** The slowest first. */
  readonly loads: readonly LoadReport[]
  /** Their bottlenecks, in ms; null where one found no plan that fits. */
  readonly baselines: Readonly<Record<string, number | null>>
}

/** A plan in the words of people: device names, and what each part takes. */
export function planReport(
  model: string,
  problem: PlanProblem,
  solved: SolvedPlan,
  baselines: Readonly<Record<string, number | null>>,
): PlanReport {
  const names = namesOf(problem)
  const { stages, ...proof } = solved
  return {
    model,
    devices: names.slice(0, -1),
    stages: stages.map((_, index) => stageReport(problem, stages, index, names)),
    ...proof,
    ...figuresOf(problem, stages),
    loads: loadReports(problem, stages),
    baselines,
  }
}

export function figuresOf(problem: PlanProblem, stages: readonly PlannedStage[]): Figures {
  const { resource, ms } = bottleneckOf(problem, stages)
  return {
    bottleneckMs: ms,
    bottleneck: resourceName(resource, namesOf(problem)),
    fps: 1_000 / ms,
    latencyMs: latencyMs(problem, stages),
  }
}

function namesOf({ devices }: PlanProblem): string[] {
  return [...devices.map(({ id }) => id), 'dispatcher']
}

function loadReports(problem: PlanProblem, stages: readonly PlannedStage[]): LoadReport[] {
  const names = namesOf(problem)
  return loadsOf(problem, stages)
    .map(({ resource, ms }) => ({ resource: resourceName(resource, names), ms }))
    .sort((a, b) => b.ms - a.ms)
}

function stageReport(
  problem: PlanProblem,
  stages: readonly PlannedStage[],
  index: number,
  names: readonly string[],
): StageReport {
  const stage = stages[index] ?? { from: 0, to: 0, devices: [] }
  const { from, to } = stage
  const { blocks, crossings } = problem.chain
  const devices = stage.devices.map(device => names[device] ?? '')
  const [share = 1] = sharesOf(problem, stage)
  // Shares are as speeds are, so it is the same on all its devices.
  const perFrame = share / (problem.devices[stage.devices[0] ?? 0]?.speed ?? 1)
  const computeMs = blocks.slice(from, to).reduce((sum, block) => sum + block.computeMs, 0)
  const codecMs = (crossings[from]?.receiveMs ?? 0) + (crossings[to]?.sendMs ?? 0)
  return {
    stage: index,
    device: devices[0] ?? '',
    devices,
    replicas: devices.length,
    from,
    to,
    computeMs: perFrame * computeMs,
    codecMs: perFrame * codecMs,
    memoryBytes: memoryBytes(problem, from, to),
    outBytes: crossings[to]?.bytes ?? 0,
    linkMs: slowestLink(problem, stages, stage),
  }
}

function slowestLink(problem: PlanProblem, stages: readonly PlannedStage[], stage: PlannedStage): number {
  const fromHere = ({ resource }: Load) => resource.kind === 'link' && stage.devices.includes(resource.from)
  return Math.max(
    ...loadsOf(problem, stages)
      .filter(fromHere)
      .map(({ ms }) => ms),
  )
}

function resourceName(resource: Load['resource'], names: readonly string[]): string {
  if (resource.kind === 'link') return `${names[resource.from]} to ${names[resource.to]}`
  const name = names[resource.device] ?? ''
  return resource.kind === 'device' ? name : `${name} ${resource.kind}`
}
