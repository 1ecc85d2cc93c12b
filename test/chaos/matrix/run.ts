import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { inCheckout } from '../../support/index.js'
import { type Bed, type Cell, type CellResult, runCell } from './cell.js'
import { allCells } from './cells.js'
import { cellsTable, summaryOf, timesTable } from './report.js'
import { Stand, type StandWish } from './stand.js'

const USAGE = `usage: npm run chaos -- --matrix [--cell NAME ...] [--bed digits|mosquitto|resnet50] [--seed N]
       npm run chaos -- --seed N --minutes M [--model digits|resnet50]`

const DIGITS = inCheckout('examples/digits/digits.onnx')

const folder = mkdtempSync(join(tmpdir(), 'millrace-chaos-'))
try {
  process.exitCode = await main()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
// What is still open is of no use.
process.exit()

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      matrix: { type: 'boolean', default: false },
      cell: { type: 'string', multiple: true, default: [] },
      bed: { type: 'string' },
      seed: { type: 'string', default: '1' },
      minutes: { type: 'string' },
      model: { type: 'string', default: 'digits' },
    },
  })
  const { seed, minutes, model } = values
  if (minutes !== undefined) return atRandom(model === 'resnet50' ? resnet50() : DIGITS, seed, minutes)
  const cells = allCells().filter(({ name, bed }) => {
    const wanted =
      values.cell.length === 0 || values.cell.some(one => name === one || name.startsWith(`${one}@`))
    return wanted && (values.bed === undefined || bed === values.bed)
  })
  if (!values.matrix && values.cell.length === 0) return misused('what is to be run?')
  if (cells.length === 0) return misused('there is no such cell')
  const results = await runBeds(cells, Number(values.seed))
  const summary = summaryOf(results)
  console.log(`\n${cellsTable(results)}\n\n${timesTable(summary)}\n`)
  for (const { cell, what } of summary.late) console.log(`late: ${cell}: ${what.join('; ')}`)
  for (const { cell, what } of summary.failed) console.log(`NOT ok: ${cell}: ${what.join('; ')}`)
  console.log(JSON.stringify({ seed: Number(values.seed), ...summary }))
  return summary.failed.length === 0 ? 0 : 1
}

function misused(reason: string): number {
  const names = allCells().map(({ name }) => name)
  console.error(`${reason}\n${USAGE}\ncells: ${names.join(', ')}`)
  return 2
}

async function runBeds(cells: readonly Cell[], seed: number): Promise<CellResult[]> {
  const results: CellResult[] = []
  for (const bed of new Set(cells.map(cell => cell.bed))) {
    const stand = await Stand.open(wishOf(bed, seed))
    try {
      for (const cell of cells.filter(one => one.bed === bed)) {
        const result = await runCell(cell, stand)
        results.push(result)
        console.log(lineOf(result))
      }
    } finally {
      await stand.close()
    }
  }
  return results
}

function lineOf({ cell, detectMs, resumeMs, problems, late }: CellResult): string {
  const [detected, resumed] = [detectMs, resumeMs].map(ms => (ms === undefined ? '-' : `${ms.toFixed()} ms`))
  const how = problems.length === 0 ? 'ok' : 'NOT ok'
  const more = [...problems, ...late].map(one => `\n    ${one}`).join('')
  return `${how} ${cell}: detected ${detected}, resumed ${resumed} (load ${loadavg()[0]?.toFixed(1)})${more}`
}

function wishOf(bed: Bed, seed: number): StandWish {
  const broker = bed === 'mosquitto' ? 'mosquitto' : 'embedded'
  if (bed !== 'resnet50') {
    return { model: DIGITS, partitions: 3, spares: 1, broker, window: 8, seed, distinct: 97 }
  }
  return { model: resnet50(), partitions: 4, spares: 1, broker, window: 10, seed, distinct: 12 }
}

/** Faults of every kind that can be mended, as chance has it. @returns the exit status */
function atRandom(model: string, seed: string, minutes: string): number {
  const program = inCheckout('dist/actors/bin/millrace.js')
  const kinds = 'kill,crash,stall,slow,cut,silence,corrupt,poison'
  const args = [program, 'chaos', model, '--seed', seed, '--minutes', minutes, '--fault', kinds]
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1
}

/** Built once for a run. */
function resnet50(): string {
  const path = join(folder, 'resnet50.onnx')
  const program = inCheckout('dist/examples/models/build.js')
  if (!existsSync(path)) execFileSync(process.execPath, [program, 'resnet50', '--out', path])
  return path
}
