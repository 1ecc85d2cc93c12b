import test from 'ava'
import fc from 'fast-check'
import { type Column, fitTable } from '../../../../actors/bin/cli/fit-table.js'
import { cut, printable, widthOf } from '../../../../actors/bin/cli/text-width.js'

type Row = readonly (string | number | undefined)[]

const cell = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 10 }),
  fc.integer(),
  fc.constant(undefined),
)
const shape = fc.record(
  {
    head: fc.stringMatching(/^[a-z ]{1,12}$/),
    shrinkTo: fc.integer({ min: 1, max: 10 }),
    drop: fc.integer({ min: 1, max: 9 }),
  },
  { requiredKeys: ['head'] },
)
const table = fc
  .array(shape, { minLength: 1, maxLength: 9 })
  .chain(shapes => fc.tuple(fc.constant(shapes), fc.array(fc.array(cell, { minLength: 9, maxLength: 9 }))))

function columnsOf(shapes: readonly Omit<Column<Row>, 'cell'>[]): Column<Row>[] {
  return shapes.map((one, i) => ({ ...one, cell: row => row[i] }))
}

test('a table - is never wider than the terminal, and has a line for each row', t => {
  fc.assert(
    fc.property(table, fc.integer({ min: 1, max: 200 }), ([shapes, rows], width) => {
      const lines = fitTable(columnsOf(shapes), rows, width).split('\n')
      t.is(lines.length, rows.length + 2)
      for (const line of lines) t.true(widthOf(line) <= width, `${widthOf(line)} of ${width}: ${line}`)
    }),
  )
})

test('a table - where there is room, nothing is cut and no column is left out', t => {
  fc.assert(
    fc.property(table, ([shapes, rows]) => {
      const text = fitTable(columnsOf(shapes), rows, 10_000)
      const cells = rows.flatMap(row => row.slice(0, shapes.length)).filter(value => value !== undefined)
      for (const value of cells) t.true(text.includes(printable(String(value)).trimEnd()))
      for (const { head } of shapes) t.true(text.includes(head.trimEnd()))
    }),
  )
})

const COLUMNS = columnsOf([
  { head: 'name', shrinkTo: 6 },
  { head: 'fps' },
  { head: 'epoch', drop: 2 },
  { head: 'model', shrinkTo: 5, drop: 1 },
])
const ROWS: Row[] = [['a-long-name', 12.5, 7, 'resnet50.onnx']]

test('a table - names are cut first, the longest before the others; then columns go, in their order', t => {
  const at = (width: number) => fitTable(COLUMNS, ROWS, width).split('\n')[2]
  t.is(at(40), 'a-long-name  12.5      7  resnet50.onnx')
  t.is(at(36), 'a-long-na…  12.5      7  resnet50.o…')
  t.is(at(28), 'a-lon…  12.5      7  resnet…')
  t.is(at(26), 'a-lon…  12.5      7  resn…')
  t.is(at(25), 'a-long-name  12.5      7')
  t.is(at(19), 'a-lon…  12.5      7')
  t.is(at(18), 'a-long-name  12.5')
  t.is(at(12), 'a-lon…  12.5')
  t.is(at(8), 'a-lon… …')
})

test('a table - what would move the cursor or change colours is not printed', t => {
  const text = fitTable(columnsOf([{ head: 'model' }]), [['\u001b[2Jx\r\n\u202ey']], 80)
  t.is(text.split('\n')[2], '?[2Jx???y')
})

test('a table - letters that are two columns wide are counted as such', t => {
  t.is(widthOf('模型'), 4)
  t.is(cut('模型.onnx', 4), '模…')
  t.is(widthOf('e\u0301'), 1)
})

test('a table - colours take no room, and are left out where a line is cut', t => {
  const paint = (text: string) => `\u001b[32m${text}\u001b[39m`
  const columns: Column<Row>[] = [{ head: 'state', cell: row => row[0], paint }]
  t.is(fitTable(columns, [['ready']], 5).split('\n')[2], '\u001b[32mready\u001b[39m')
  t.is(fitTable(columns, [['ready']], 3).split('\n')[2], 're…')
})
