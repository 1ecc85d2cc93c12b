import { parseArgs } from 'node:util'
import { baselines } from '../../../core/planner/baselines/index.js'
import { inCheckout } from '../../support/index.js'
import { type Bench, UsageError } from '../bench.js'
import { type Cell, type MemoryRule, type NetworksByName, readNetworks, trialOf } from './cells.js'
import { comparePublished } from './published-cells.js'
import { comparisonTable, type PlannerFigures, resultTable, roomTable, summaryLines } from './report.js'
import { solveRoom } from './room-cells.js'
import { type CellResult, type Effort, resultOf, solveTrials } from './solver-cells.js'

const MEMORIES = [64, 128, 256]
const DEVICES = [5, 10, 15, 20, 50]
const TRIALS = 50
const LIMIT_MS = 2000
/** Trials of the comparison with published means, for each trial of the solver. */
const COMPARED = 40
/** One trial in so many for the true memory rule, of which nothing is published. */
const TRUE_RULE = 5

/** SEIFER's published cells: what its methods and ours make of them. */
export const plannerBench: Bench = {
  options: '[--json] [--trials N] [--limit MS]',
  summary:
    "the planner beside the published methods on SEIFER's cells (needs ../shared/seifer): N trials in each cell, " +
    `default ${TRIALS}; at most MS ms of processor time for each, default ${LIMIT_MS}, and five times as many in cells with room`,
  run: options => {
    const { json, ...effort } = settings(options)
    const folder = inCheckout('../shared/seifer')
    const networks = readNetworks(folder)
    if (networks === undefined) {
      console.log(`skipped: ${folder} is absent`)
      return 0
    }
    const print = (text: string) => {
      if (!json) console.log(text)
    }
    const figures = run(folder, networks, effort, print)
    console.log(JSON.stringify({ bench: 'planner', ...effort, ...figures }))
    return 0
  },
}

/** @throws UsageError */
function settings(options: readonly string[]): Effort & { readonly json: boolean } {
  const { json, ...values } = parsed(options)
  const trials = Number(values.trials)
  const limitMs = Number(values.limit)
  if (!Number.isSafeInteger(trials) || trials < 2) {
    throw new UsageError(`--trials takes a whole number of trials, 2 or more, not ${values.trials}`)
  }
  if (!(limitMs > 0 && limitMs < Infinity)) {
    throw new UsageError(`--limit takes a number of ms above 0, not ${values.limit}`)
  }
  return { json, trials, limitMs }
}

function parsed(options: readonly string[]): { json: boolean; trials: string; limit: string } {
  const known = {
    json: { type: 'boolean', default: false },
    trials: { type: 'string', default: `${TRIALS}` },
    limit: { type: 'string', default: `${LIMIT_MS}` },
  } as const
  try {
    return parseArgs({ args: [...options], options: known }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function run(
  folder: string,
  networks: NetworksByName,
  effort: Effort,
  print: (text: string) => void,
): PlannerFigures {
  const cells = allCells(networks)
  const published = comparePublished(folder, networks, cells, effort.trials * COMPARED)
  print(comparisonTable(published))
  const fewer = { ...effort, trials: Math.max(2, Math.ceil(effort.trials / TRUE_RULE)) }
  const results = solveCells(networks, cells, 'published', effort)
  print(resultTable('published', results))
  const byTrueRule = solveCells(networks, cells, 'true', fewer)
  print(resultTable('true', byTrueRule))
  const room = solveRoom(networks, effort)
  print(roomTable(room))
  const figures = { published, cells: [...results, ...byTrueRule], room }
  print(summaryLines(figures).join('\n'))
  return figures
}

function allCells(networks: NetworksByName): Cell[] {
  return Object.keys(networks).flatMap(model =>
    MEMORIES.flatMap(memory => DEVICES.map(devices => ({ model, memory, devices }))),
  )
}

/** Cells in which the model must be cut, and can be: on one device nothing crosses a link. */
function solveCells(
  networks: NetworksByName,
  cells: readonly Cell[],
  rule: MemoryRule,
  effort: Effort,
): CellResult[] {
  return cells.flatMap(cell => {
    const network = networks[cell.model]
    if (network === undefined) return []
    const parts = baselines.greedy(trialOf(network, cell, rule, 0), () => 0)?.length ?? 0
    return parts < 2 ? [] : [resultOf(cell, rule, solveTrials(network, cell, rule, effort))]
  })
}
