import { parseArgs } from 'node:util'
import { inCheckout } from '../../support/index.js'
import { type Bench, UsageError } from '../bench.js'
import { type Cell, type MemoryRule, type NetworksByName, readNetworks } from './cells.js'
import { comparePublished } from './published-cells.js'
import { comparisonTable, type PlannerFigures, resultTable, roomTable, summaryLines } from './report.js'
import { solveRoom } from './room-cells.js'
import { type CellResult, resultOf, solveTrials } from './solver-cells.js'

const MEMORIES = [64, 128, 256]
const DEVICES = [5, 10, 15, 20, 50]
const TRIALS = 50
/** Trials of the comparison with published means, for each trial of the solver. */
const COMPARED = 40

/** SEIFER's published cells: what its methods and ours make of them. */
export const plannerBench: Bench = {
  options: '[--json] [--trials N]',
  summary: "the planner beside the published methods on SEIFER's cells (needs ../shared/seifer; N is 50)",
  run: options => {
    const { json, trials } = settings(options)
    const folder = inCheckout('../shared/seifer')
    const networks = readNetworks(folder)
    if (networks === undefined) {
      console.log(`skipped: ${folder} is absent`)
      return 0
    }
    const print = json
      ? () => undefined
      : (text: string) => {
          console.log(text)
        }
    const figures = run(folder, networks, trials, print)
    console.log(JSON.stringify({ bench: 'planner', trials, ...figures }))
    return 0
  },
}

/** @throws UsageError */
function settings(options: readonly string[]): { json: boolean; trials: number } {
  const values = parsed(options)
  const trials = Number(values.trials)
  if (!Number.isSafeInteger(trials) || trials < 2) {
    throw new UsageError(`--trials takes a whole number of trials, 2 or more, not ${values.trials}`)
  }
  return { json: values.json, trials }
}

function parsed(options: readonly string[]): { json: boolean; trials: string } {
  const known = {
    json: { type: 'boolean', default: false },
    trials: { type: 'string', default: `${TRIALS}` },
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
  trials: number,
  print: (text: string) => void,
): PlannerFigures {
  const cells = allCells(networks)
  const published = comparePublished(folder, networks, cells, trials * COMPARED)
  print(comparisonTable(published))
  const results = (['published', 'true'] as const).flatMap(rule => {
    const found = solveCells(networks, cells, rule, trials)
    print(resultTable(rule, found))
    return found
  })
  const room = solveRoom(networks, trials)
  print(roomTable(room))
  const figures = { published, cells: results, room }
  print(summaryLines(figures).join('\n'))
  return figures
}

function allCells(networks: NetworksByName): Cell[] {
  return Object.keys(networks).flatMap(model =>
    MEMORIES.flatMap(memory => DEVICES.map(devices => ({ model, memory, devices }))),
  )
}

/** Cells in which the model is cut at all: on one device nothing crosses a link. */
function solveCells(
  networks: NetworksByName,
  cells: readonly Cell[],
  rule: MemoryRule,
  trials: number,
): CellResult[] {
  return cells.flatMap(cell => {
    const network = networks[cell.model]
    if (network === undefined) return []
    const [first] = solveTrials(network, cell, rule, 1)
    if (first === undefined || first.stages < 2) return []
    return [resultOf(cell, rule, solveTrials(network, cell, rule, trials))]
  })
}
