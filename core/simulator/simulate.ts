import { MillraceError } from '../errors.js'
import { type LedgerCounts, type LedgerEntry } from '../ledger.js'
import { parseOptions } from '../options.js'
import { bottleneckOf, latencyMs } from '../planner/objective.js'
import { type PlannedStage, type PlanProblem } from '../planner/problem.js'
import { check } from './check.js'
import { SimulatedDispatcher } from './dispatcher.js'
import { EventQueue } from './event-queue.js'
import { type Event, type Schedule } from './events.js'
import { Faults } from './faults.js'
import { type Figures, figuresOf, type Utilisation, utilisationOf } from './figures.js'
import { Losses, type Recovery } from './losses.js'
import { Machines } from './machines.js'
import { type SimulatorOptions, simulatorOptions, type SimulatorOptionsInput } from './options.js'
import { Pipeline } from './pipeline.js'
import { Routes } from './routes.js'

export interface Simulation extends Figures {
  /** Of each resource that was busy at all. */
  readonly utilisation: readonly Utilisation[]
  /** `duplicates` are results that came after their frame's deadline. */
  readonly frames: LedgerCounts
  /** Frames between being sent and their result, in the mean over time. */
  readonly framesUnderWay: number
  /** What each outage did, in the order in which they began. */
  readonly recoveries: readonly Recovery[]
  /** How each frame ended, in the order in which they did; times are ms since the beginning. */
  readonly entries: readonly LedgerEntry[]
  /** When the last frame had ended, in ms since the beginning. */
  readonly endedAt: number
}

/**
 * Runs a plan in virtual time: frames from a source through a dispatcher's window, the devices and links of the plan,
 * and back, while devices and links fail and return. The same arguments give the same result.
 * @param stages  end to end, of the whole chain
 * @throws OPTION_UNKNOWN; OPTION_INVALID: a value that fails its check; a plan that leaves blocks out, or has no way from
 *   one stage to the next; a fault of what is not there; `jitter` without `random`
 */
export function simulate(
  problem: PlanProblem,
  stages: readonly PlannedStage[],
  input: SimulatorOptionsInput = {},
): Simulation {
  const options = parseOptions(simulatorOptions, input, 'simulate')
  check(problem, stages, options)
  const faults = new Faults(options.faults)
  const machines = new Machines(problem, faults)
  const losses = new Losses()
  const { dispatcher, endedAt } = run(problem, stages, options, { faults, machines, losses })
  return {
    ...figuresOf(dispatcher.entries),
    utilisation: utilisationOf(machines, endedAt),
    frames: dispatcher.ledger.counts(),
    framesUnderWay: dispatcher.framesUnderWay,
    recoveries: losses.recoveries(faults.outages, options.detectMs, endedAt),
    entries: dispatcher.entries,
    endedAt,
  }
}

interface Scene {
  readonly faults: Faults
  readonly machines: Machines
  readonly losses: Losses
}

function run(
  problem: PlanProblem,
  stages: readonly PlannedStage[],
  options: SimulatorOptions,
  { faults, machines, losses }: Scene,
): { readonly dispatcher: SimulatedDispatcher; readonly endedAt: number } {
  const events = new EventQueue<Event>()
  const schedule: Schedule = (at, event) => events.push(at, event)
  const routes = new Routes(problem, stages, faults, options.detectMs)
  const pipeline = new Pipeline(problem, stages, machines, routes, schedule, jitterOf(options))
  const sending = {
    send: pipeline.send.bind(pipeline),
    isOpen: routes.isOpen.bind(routes),
  }
  const busy = latencyMs(problem, stages) / bottleneckOf(problem, stages).ms
  const dispatcher = new SimulatedDispatcher(options, busy, sending, losses, schedule)
  for (const at of routes.changes) schedule(at, { kind: 'change' })
  dispatcher.start()
  let endedAt = 0
  while (!dispatcher.isDone) {
    const next = events.pop()
    if (next === undefined) throw new MillraceError('INTERNAL', 'a simulated frame has no end')
    endedAt = next.at
    dispatcher.advance(endedAt)
    if (next.event.kind === 'arrival') pipeline.arrive(next.event, endedAt)
    else dispatcher.handle(next.event)
  }
  return { dispatcher, endedAt }
}

function jitterOf({ jitter, random }: SimulatorOptions): () => number {
  return random === undefined || jitter === 0 ? () => 1 : () => 1 + jitter * (2 * random.uniform() - 1)
}
