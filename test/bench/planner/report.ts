import { table } from '../table.js'
import { type MemoryRule } from './cells.js'
import { type Comparison } from './published-cells.js'
import { type RoomResult } from './room-cells.js'
import { type CellResult } from './solver-cells.js'
import { type Sample } from './statistics.js'

export interface PlannerFigures {
  readonly published: readonly Comparison[]
  readonly cells: readonly CellResult[]
  readonly room: readonly RoomResult[]
}

/** Published and our means agree within as many combined standard errors. */
const AGREE = 3

export function comparisonTable(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map(({ cell, method, published, ours, error, deviations }) => [
    cell,
    method,
    published.toFixed(4),
    `${ours.toFixed(4)} ± ${error.toFixed(4)}`,
    deviations.toFixed(1),
    Math.abs(deviations) <= AGREE ? 'yes' : 'no',
  ])
  const header = [
    'model MiB devices',
    'method',
    'published s',
    'ours s',
    'standard errors',
    `within ${AGREE}`,
  ]
  return `Published means and ours, bottleneck of SEIFER's rules\n${table(header, rows)}\n`
}

export function resultTable(rule: MemoryRule, results: readonly CellResult[]): string {
  const title =
    rule === 'published'
      ? 'The solver by the published memory rule (a byte per weight)'
      : 'The solver by the true memory of weights (four bytes each)'
  return `${title}\n${table(RESULT_HEADER, results.map(resultRow))}\n`
}

export function roomTable(results: readonly RoomResult[]): string {
  const rows = results.map(result => [
    ...resultRow(result),
    result.worstToGreedy.toFixed(3),
    result.exact
      ? `equal to the optimum in ${result.exact.compared - result.exact.worse} of ${result.exact.compared}`
      : `at most ${result.most} of greedy`,
    result.kept === 'above-optimum' ? 'no, nor can it be' : result.kept ? 'yes' : 'no',
  ])
  return `Cells with room for placement\n${table([...RESULT_HEADER, 'worst / greedy', 'wanted', 'kept'], rows)}\n`
}

export function summaryLines({ published, cells, room }: PlannerFigures): string[] {
  const off = published.filter(({ deviations }) => Math.abs(deviations) > AGREE)
  const all = [...cells, ...room]
  const beaten = all.reduce((sum, result) => sum + result.beaten, 0)
  const bounds = all.flatMap(({ toBound }) => (toBound ? [toBound.mean] : []))
  const planned = all.reduce((sum, result) => sum + result.planned, 0)
  const proved = all.reduce((sum, result) => sum + result.proved, 0)
  return [
    `${published.length - off.length} of ${published.length} published means within ${AGREE} standard errors`,
    ...off.map(({ cell, method, deviations }) => `  not: ${cell} ${method} (${deviations.toFixed(1)})`),
    ...(off.length > 0 ? [INCEPTION_RESNET] : []),
    `a baseline beat the solver in ${beaten} trials`,
    `proved to be optimal: ${proved} of ${planned} plans`,
    `mean ratio to the lower bound: at most ${Math.max(...bounds).toFixed(4)} in a cell`,
    ...room.filter(({ kept }) => kept === 'above-optimum').map(aboveOptimum),
  ]
}

/**
 * By these rules the model takes 2 parts at 256 MiB (one link, of 13.33 Mbit) and 3 at 128 MiB (16.62 and 13.33). At 256
 * MiB a second link, of 5.64 Mbit, gives all ten published means of greedy and of k-path with 2 classes.
 */
const INCEPTION_RESNET =
  '  InceptionResNetV2 at 256 MiB: one more part at the end of the chain gives the published means; greedy does not notice ' +
  'it, k-path with 2 classes does. At 128 MiB the cuts of the published trials are not known: that part alone does not do'

function aboveOptimum({ cell, most, toGreedy, proved }: RoomResult): string {
  return (
    `${cell}: no plans are within ${most} of greedy; those found, at ${meanOf(toGreedy)} of it, ` +
    `are proved to be optimal in all ${proved} trials`
  )
}

const RESULT_HEADER = [
  'model MiB devices',
  'solver s',
  'random s',
  'greedy s',
  'k-path s',
  '/ best baseline',
  '/ greedy',
  '/ bound',
  'proved',
  'beaten',
  'stages',
  'solve ms (worst)',
]

function resultRow(result: CellResult): string[] {
  const { seconds } = result
  return [
    result.cell,
    meanOf(seconds.solver),
    seconds.random?.mean.toFixed(3) ?? '-',
    seconds.greedy?.mean.toFixed(3) ?? '-',
    seconds.kpath?.mean.toFixed(3) ?? '-',
    meanOf(result.toBest),
    meanOf(result.toGreedy),
    result.toBound?.mean.toFixed(4) ?? '-',
    `${result.proved}/${result.planned}`,
    `${result.beaten}`,
    result.stages.toFixed(1),
    `${result.solveMs.toFixed(0)} (${result.worstSolveMs.toFixed(0)})`,
  ]
}

function meanOf(sample: Sample | undefined): string {
  return sample ? `${sample.mean.toFixed(3)} ± ${sample.error.toFixed(3)}` : '-'
}
