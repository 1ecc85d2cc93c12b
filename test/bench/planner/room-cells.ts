import { type Cell, type NetworksByName } from './cells.js'
import { exactBottleneck } from './exact-joint.js'
import { type CellResult, type Effort, resultOf, solveTrials } from './solver-cells.js'

/** Cells with room for placement: the most that the mean ratio to greedy may be, or the optimum itself. */
const ROOM: readonly { readonly cell: Cell; readonly most: number | 'exact' }[] = [
  { cell: { model: 'ResNet50', memory: 32, devices: 10 }, most: 'exact' },
  { cell: { model: 'ResNet50', memory: 16, devices: 20 }, most: 0.97 },
  { cell: { model: 'EfficientNetB1', memory: 16, devices: 20 }, most: 0.97 },
  { cell: { model: 'InceptionResNetV2', memory: 32, devices: 20 }, most: 0.97 },
  { cell: { model: 'InceptionResNetV2', memory: 16, devices: 50 }, most: 0.9 },
]

export interface RoomResult extends CellResult {
  readonly most: number | 'exact'
  /** Trials that were compared with the exact solver, and those of them that it beat. */
  readonly exact: { readonly compared: number; readonly worse: number } | undefined
  /** `above-optimum`: every trial's optimum is proved, and their mean is above what was wanted. */
  readonly kept: boolean | 'above-optimum'
}

/** Time for a solve, as a multiple of that in other cells. */
const PATIENCE = 5

export function solveRoom(networks: NetworksByName, effort: Effort): RoomResult[] {
  return ROOM.flatMap(({ cell, most }) => roomResult(networks, cell, most, effort))
}

function roomResult(
  networks: NetworksByName,
  cell: Cell,
  most: number | 'exact',
  effort: Effort,
): RoomResult[] {
  const network = networks[cell.model]
  if (network === undefined) return []
  const solved = solveTrials(network, cell, 'published', { ...effort, limitMs: PATIENCE * effort.limitMs })
  const result = resultOf(cell, 'published', solved)
  if (most !== 'exact') {
    const beats = result.worstToGreedy <= 1 + 1e-9
    const kept = beats && (result.toGreedy?.mean ?? Infinity) <= most
    const best = beats && result.proved === solved.length
    return [{ ...result, most, exact: undefined, kept: kept || (best && 'above-optimum') }]
  }
  const worse = solved.filter(({ problem, solverMs }) => {
    const mbit = problem.network.rates
      .slice(0, -1)
      .map(row => row.slice(0, -1).map(rate => (rate * 8) / 1000))
    const bestMs = exactBottleneck(network, mbit, cell.memory * 2 ** 20) * 1000
    return Math.abs(solverMs - bestMs) > bestMs * 1e-9
  }).length
  return [{ ...result, most, exact: { compared: solved.length, worse }, kept: worse === 0 }]
}
