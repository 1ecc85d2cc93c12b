import { type Verdict } from '../../../actors/bin/chaos/checker.js'
import { type CellResult } from './cell.js'
import { table } from '../../bench/table.js'

export interface MatrixSummary {
  readonly cells: number
  readonly frames: Verdict
  readonly failed: readonly Remark[]
  /** Cells that missed a target. */
  readonly late: readonly Remark[]
  /** By the kind of fault, over its places. */
  readonly times: Readonly<
    Record<string, { readonly detectMs: Spread | undefined; readonly resumeMs: Spread | undefined }>
  >
}

interface Remark {
  readonly cell: string
  readonly what: readonly string[]
}

interface Spread {
  readonly p50: number
  readonly max: number
}

export function summaryOf(results: readonly CellResult[]): MatrixSummary {
  const sum = (of: (result: CellResult) => number) => results.reduce((total, one) => total + of(one), 0)
  const kinds = [...new Set(results.map(kindOf))]
  return {
    cells: results.length,
    frames: {
      admitted: sum(({ admitted }) => admitted),
      predicted: sum(({ predicted }) => predicted),
      lost: sum(({ lost }) => lost),
      duplicates: sum(({ duplicates }) => duplicates),
      misordered: sum(({ misordered }) => misordered),
      wrong: sum(({ wrong }) => wrong),
    },
    failed: results.flatMap(({ cell, problems }) =>
      problems.length === 0 ? [] : [{ cell, what: problems }],
    ),
    late: results.flatMap(({ cell, late }) => (late.length === 0 ? [] : [{ cell, what: late }])),
    times: Object.fromEntries(
      kinds.map(kind => {
        const own = results.filter(result => kindOf(result) === kind)
        const spread = (of: (result: CellResult) => number | undefined) => spreadOf(own.map(of))
        return [kind, { detectMs: spread(one => one.detectMs), resumeMs: spread(one => one.resumeMs) }]
      }),
    ),
  }
}

const HEADER = [
  ...['cell', 'stage', 'fps', 'frames', 'lost', 'twice', 'disorder', 'wrong', 'under way', 'replayed'],
  ...['detected', 'resumed'],
]

export function cellRow(result: CellResult): string[] {
  const { cell, stage, fps, admitted, lost, duplicates, misordered, wrong } = result
  const { underWay, window, replayed, detectMs, resumeMs } = result
  const counts = [admitted, lost, duplicates, misordered, wrong].map(String)
  return [
    ...[cell, String(stage), fps.toFixed(0), ...counts, `${underWay} of ${window}`, String(replayed)],
    ...[milliseconds(detectMs), milliseconds(resumeMs)],
  ]
}

export function cellsTable(results: readonly CellResult[]): string {
  return table(HEADER, results.map(cellRow))
}

export function timesTable({ times }: MatrixSummary): string {
  const rows = Object.entries(times).map(([kind, { detectMs, resumeMs }]) => [
    kind,
    ...[detectMs?.p50, detectMs?.max, resumeMs?.p50, resumeMs?.max].map(milliseconds),
  ])
  return table(['fault', 'detected p50', 'max', 'resumed p50', 'max'], rows)
}

function kindOf({ cell }: CellResult): string {
  return cell.split('@')[0] ?? cell
}

function spreadOf(values: readonly (number | undefined)[]): Spread | undefined {
  const sorted = values.filter(value => value !== undefined).sort((a, b) => a - b)
  const [p50, max] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted.at(-1)]
  return p50 === undefined || max === undefined ? undefined : { p50: round(p50), max: round(max) }
}

function round(ms: number): number {
  return Math.round(ms)
}

function milliseconds(ms: number | undefined): string {
  return ms === undefined ? '-' : `${round(ms)} ms`
}
