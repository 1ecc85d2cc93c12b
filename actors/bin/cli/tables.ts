import { type Plan } from '../../../core/control/index.js'
import { bytesText } from '../plan/units.js'

/** Columns padded to their widest cell; numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows.map(row => row.map(String))]
  const widths = head.map((_, column) => Math.max(...cells.map(row => row[column]?.length ?? 0)))
  const numeric = head.map((_, column) => rows.every(row => typeof row[column] === 'number'))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        numeric[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return [
    line(cells[0] ?? []),
    line(widths.map(width => '-'.repeat(width))),
    ...cells.slice(1).map(line),
  ].join('\n')
}

/** The partitions of a plan, each as often as it has replicas; `ms` and `memory` are predicted, `link` is the way that its output goes. */
export function planTable({ stages }: Plan): string {
  const replicas = stages.some(({ replica }) => replica > 0)
  const wires = stages.some(({ wire = 'f32' }) => wire !== 'f32')
  return table(
    [
      ...['stage', ...(replicas ? ['replica'] : []), 'worker', 'operators', 'weights', 'bytes out'],
      ...[...(wires ? ['wire'] : []), 'ms', 'memory', 'link'],
    ],
    stages.map(
      ({ stage, replica, worker, operators, weightBytes, outBytes, wire, computeMs, memoryBytes, link }) => [
        stage,
        ...(replicas ? [replica] : []),
        worker,
        operators,
        weightBytes,
        outBytes,
        ...(wires ? [wire ?? 'f32'] : []),
        round(computeMs, 2),
        memoryBytes === undefined ? '-' : bytesText(Math.round(memoryBytes)),
        link,
      ],
    ),
  )
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
