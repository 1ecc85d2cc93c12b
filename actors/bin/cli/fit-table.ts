import { cut, padded, printable, widthOf } from './text-width.js'

/** One column of a table that fits a terminal. */
export interface Column<R> {
  readonly head: string
  /** Numbers go to the right. */
  readonly cell: (row: R) => string | number | undefined
  /** It may be cut to so many characters, its head's at least. Left out: it is not cut. */
  readonly shrinkTo?: number
  /** Where cutting is not enough, the columns with the smallest of these numbers are left out first. Left out: it stays. */
  readonly drop?: number
  /** Wraps what has its width already, such as in a colour. */
  readonly paint?: (text: string, row: R) => string
}

interface Laid<R> {
  readonly column: Column<R>
  readonly head: string
  readonly cells: readonly string[]
  readonly numeric: boolean
  width: number
}

const GAP = '  '

/**
 * A table that is at most `width` characters wide: columns that may be cut give way first, the widest before the others;
 * then columns are left out, in the order of their numbers; and what stays is cut at the edge if it must.
 */
export function fitTable<R>(columns: readonly Column<R>[], rows: readonly R[], width: number): string {
  const laid = fit(columns, rows, width)
  const rule = laid.map(one => '-'.repeat(one.width)).join(GAP)
  const lines = rows.map((row, i) => {
    const texts = laid.map(one => ({ one, text: aligned(one, one.cells[i] ?? '') }))
    const line = texts.map(({ text }) => text).join(GAP)
    // Colours have no width, but a line must not be cut in the middle of one.
    if (widthOf(line) > width) return cut(line, width)
    return texts.map(({ one, text }) => one.column.paint?.(text, row) ?? text).join(GAP)
  })
  const head = laid.map(one => aligned(one, one.head)).join(GAP)
  return [cut(head, width), cut(rule, width), ...lines].map(line => line.trimEnd()).join('\n')
}

function fit<R>(columns: readonly Column<R>[], rows: readonly R[], width: number): Laid<R>[] {
  const laid = columns.map(column => lay(column, rows))
  while (total(laid) > width) {
    const widest = laid.filter(canShrink).sort((a, b) => b.width - a.width)[0]
    if (widest === undefined) break
    widest.width--
  }
  if (total(laid) <= width) return laid
  const [least] = columns.filter(({ drop }) => drop !== undefined).sort((a, b) => orderOf(a) - orderOf(b))
  if (least === undefined) return laid
  return fit(
    columns.filter(column => column !== least),
    rows,
    width,
  )
}

function lay<R>(column: Column<R>, rows: readonly R[]): Laid<R> {
  const values = rows.map(row => column.cell(row))
  const cells = values.map(value => (value === undefined ? '-' : printable(String(value))))
  const numeric = values.some(value => typeof value === 'number')
  const width = Math.max(...[column.head, ...cells].map(widthOf))
  return { column, head: column.head, cells, numeric, width }
}

function canShrink<R>({ column: { shrinkTo = Infinity, head }, width }: Laid<R>): boolean {
  return width > Math.max(shrinkTo, widthOf(head))
}

function orderOf<R>({ drop = Infinity }: Column<R>): number {
  return drop
}

function total<R>(laid: readonly Laid<R>[]): number {
  return laid.reduce((sum, { width }) => sum + width, 0) + GAP.length * Math.max(0, laid.length - 1)
}

function aligned<R>({ numeric, width }: Laid<R>, text: string): string {
  return padded(cut(text, width), width, numeric ? 'right' : 'left')
}
