import { MillraceError } from '../errors.js'
import { loadsOf } from '../planner/objective.js'
import { type PlannedStage, type PlanProblem } from '../planner/problem.js'
import { type Fault } from './faults.js'
import { type SimulatorOptions } from './options.js'

/** @throws OPTION_INVALID: see `simulate` */
export function check(
  problem: PlanProblem,
  stages: readonly PlannedStage[],
  { faults, jitter, random }: SimulatorOptions,
): void {
  checkPlan(problem, stages)
  for (const fault of faults) checkFault(fault, problem.devices.length)
  if (jitter > 0 && random === undefined) refuse("'jitter' needs 'random', such as randomOf(seed)")
}

function checkPlan(problem: PlanProblem, stages: readonly PlannedStage[]): void {
  const blocks = problem.chain.blocks.length
  const starts = [0, ...stages.map(({ to }) => to)]
  const joined = stages.every(
    ({ from, to, devices }, i) => from === starts[i] && to > from && devices.length > 0,
  )
  if (!joined || starts.at(-1) !== blocks) {
    refuse(`the stages of a plan are on devices, end to end, and together of all ${blocks} blocks`)
  }
  const dead = loadsOf(problem, stages).find(({ ms }) => !Number.isFinite(ms))
  if (dead !== undefined) {
    refuse(`frames never get past ${JSON.stringify(dead.resource)}: choose devices and links that are there`)
  }
}

function checkFault(fault: Fault, devices: number): void {
  const { at, until } = fault
  const known = 'device' in fault ? fault.device < devices : Math.max(fault.from, fault.to) <= devices
  if (!known) {
    refuse(`a fault is of ${JSON.stringify(fault)}, but there are ${devices} devices, counted from 0`)
  }
  if (until !== undefined && until <= at) {
    refuse(`a fault ends at ${until} ms, but begins at ${at} ms: let it end later`)
  }
}

function refuse(reason: string): never {
  throw new MillraceError('OPTION_INVALID', `simulate: ${reason}`)
}
