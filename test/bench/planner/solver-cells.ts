import { type BaselineName, baselines } from '../../../core/planner/baselines/index.js'
import { bottleneckOf, memoryBytes } from '../../../core/planner/objective.js'
import { type PlannedStage, type PlanProblem } from '../../../core/planner/problem.js'
import { randomOf } from '../../../core/synthetic/index.js'
import { type Cell, keyOf, type MemoryRule, type Network, trialOf } from './cells.js'
import { processorMs, solve } from './solver.js'
import { type Sample, sampleOf } from './statistics.js'

/** Bottlenecks that differ by less are equal: sums of the same numbers in another order. */
const TOLERANCE = 1e-9

export interface CellResult {
  readonly cell: string
  readonly rule: MemoryRule
  /** Trials in which the solver found a plan; means are over these. */
  readonly planned: number
  /** Trials in which a baseline found a plan and the solver none, or a slower one. */
  readonly beaten: number
  readonly proved: number
  /** Mean bottleneck in s, over the trials that the method planned. */
  readonly seconds: Readonly<Partial<Record<'solver' | BaselineName, Sample>>>
  /** Mean of the ratio to the best baseline of the trial, to greedy, and to the lower bound. */
  readonly toBest: Sample | undefined
  readonly toGreedy: Sample | undefined
  readonly toBound: Sample | undefined
  /** Most that a trial's ratio to greedy was. */
  readonly worstToGreedy: number
  readonly stages: number
  /** Of one solve, in ms of processor time. */
  readonly solveMs: number
  readonly worstSolveMs: number
}

export interface Trial {
  readonly problem: PlanProblem
  readonly solverMs: number
  readonly boundMs: number
  readonly optimal: boolean
  readonly stages: number
  readonly solveMs: number
  readonly baselineMs: Readonly<Record<BaselineName, number>>
}

export interface Effort {
  /** In each cell. */
  readonly trials: number
  /** For one solve, of processor time. */
  readonly limitMs: number
}

/** The solver and every baseline on the same seeded trials of a cell. */
export function solveTrials(
  network: Network,
  cell: Cell,
  rule: MemoryRule,
  { trials, limitMs }: Effort,
): Trial[] {
  return Array.from({ length: trials }, (_, trial) => {
    const problem = trialOf(network, cell, rule, trial)
    const started = processorMs()
    const solved = solve(problem, trial, limitMs)
    const solveMs = processorMs() - started
    if (solved) verify(problem, solved.stages)
    return {
      problem,
      solverMs: msOf(problem, solved?.stages),
      boundMs: solved?.lowerBoundMs ?? 0,
      optimal: solved?.optimal ?? false,
      stages: solved?.stages.length ?? 0,
      solveMs,
      baselineMs: baselinesOf(problem, cell, trial),
    }
  })
}

export function resultOf(cell: Cell, rule: MemoryRule, trials: readonly Trial[]): CellResult {
  const planned = trials.filter(({ solverMs }) => Number.isFinite(solverMs))
  const best = ({ baselineMs }: Trial) => Math.min(...Object.values(baselineMs))
  const ratios = (to: (trial: Trial) => number) =>
    planned.map(trial => ratio(trial.solverMs, to(trial))).filter(value => Number.isFinite(value))
  const toGreedy = ratios(({ baselineMs }) => baselineMs.greedy)
  const times = trials.map(({ solveMs }) => solveMs)
  return {
    cell: keyOf(cell),
    rule,
    planned: planned.length,
    beaten: trials.filter(trial => trial.solverMs > best(trial) * (1 + TOLERANCE)).length,
    proved: planned.filter(({ optimal }) => optimal).length,
    seconds: secondsOf(trials),
    toBest: sample(ratios(best)),
    toGreedy: sample(toGreedy),
    toBound: sample(ratios(({ boundMs }) => boundMs)),
    worstToGreedy: Math.max(...toGreedy),
    stages: sampleOf(planned.map(({ stages }) => stages)).mean,
    solveMs: sampleOf(times).mean,
    worstSolveMs: Math.max(...times),
  }
}

function baselinesOf(problem: PlanProblem, cell: Cell, trial: number): Trial['baselineMs'] {
  const ms = (name: BaselineName) => {
    const random = randomOf('baseline', keyOf(cell), trial)
    return msOf(
      problem,
      baselines[name](problem, () => random.uniform()),
    )
  }
  return {
    single: ms('single'),
    equal: ms('equal'),
    random: ms('random'),
    greedy: ms('greedy'),
    kpath: ms('kpath'),
  }
}

function secondsOf(trials: readonly Trial[]): CellResult['seconds'] {
  const names: BaselineName[] = ['single', 'equal', 'random', 'greedy', 'kpath']
  const columns = names.map(name => [name, trials.map(({ baselineMs }) => baselineMs[name])] as const)
  const all = [['solver', trials.map(({ solverMs }) => solverMs)] as const, ...columns]
  return Object.fromEntries(
    all.flatMap(([name, ms]) => {
      const found = sample(ms.filter(value => Number.isFinite(value)).map(value => value / 1000))
      return found ? [[name, found]] : []
    }),
  )
}

function sample(values: readonly number[]): Sample | undefined {
  return values.length > 1 ? sampleOf(values) : undefined
}

function ratio(a: number, b: number): number {
  return a === b ? 1 : a / b
}

function msOf(problem: PlanProblem, stages: readonly PlannedStage[] | undefined): number {
  return stages ? bottleneckOf(problem, stages).ms : Infinity
}

/** A plan that breaks a rule has no bottleneck worth a comparison. */
function verify(problem: PlanProblem, stages: readonly PlannedStage[]): void {
  const used = stages.flatMap(({ devices }) => devices)
  const joined = stages.every(({ from, to }, i) => from === (stages[i - 1]?.to ?? 0) && from < to)
  const whole = stages.at(-1)?.to === problem.chain.blocks.length
  const fit = stages.every(({ from, to, devices }) =>
    devices.every(device => memoryBytes(problem, from, to) <= (problem.devices[device]?.memoryBytes ?? 0)),
  )
  if (joined && whole && fit && new Set(used).size === used.length) return
  throw new Error(`the solver's plan breaks a rule: ${JSON.stringify(stages)}`)
}
