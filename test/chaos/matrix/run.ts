import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { UsageError } from '../../bench/bench.js'
import { inCheckout } from '../../support/index.js'
import { type Wire } from '../../../core/wire.js'
import { type Bed, type Cell, type CellResult, runCell } from './cell.js'
import { allCells } from './cells.js'
import { busyTable, isCalm, runBusy } from './busy.js'
import { type Command, commandOf } from './command.js'
import { runFrozenConsumer } from './frozen-consumer.js'
import { frozenProblems, memoryTable, ratesTable } from './frozen-report.js'
import { cellsTable, summaryOf, timesTable } from './report.js'
import { Stand, type StandWish } from './stand.js'

const USAGE = `usage: npm run chaos -- --matrix [--cell NAME ...] [--bed digits|mosquitto|resnet50] [--wire f32|f16|u8c|u8] [--seed N]
       npm run chaos -- --seed N --minutes M [--model digits|resnet50]
       npm run chaos -- --busy [--minutes M] [--seed N]
       npm run chaos -- --frozen-consumer [--minutes M]`

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
  try {
    return await run(commandOf(process.argv.slice(2)))
  } catch (error) {
    if (error instanceof UsageError) return misused(error.message)
    throw error
  }
}

function run(command: Command): number | Promise<number> {
  const { seed, kind } = command
  switch (kind) {
    case 'matrix':
      return matrix(cellsOf(command.cells, command.bed), seed, command.wire)
    case 'random':
      return atRandom(command.model === 'resnet50' ? resnet50() : DIGITS, seed, command.minutes)
    case 'busy':
      return busy(seed, command.minutes)
    case 'frozen-consumer':
      return frozenConsumer(command.minutes)
  }
}

/** @throws UsageError: there are none */
function cellsOf(names: readonly string[], wanted: Bed | undefined): Cell[] {
  const isNamed = (name: string) =>
    names.length === 0 || names.some(one => name === one || name.startsWith(`${one}@`))
  const cells = allCells().filter(
    ({ name, bed }) => isNamed(name) && (wanted === undefined || bed === wanted),
  )
  if (cells.length === 0) throw new UsageError('there is no such cell')
  return cells
}

async function matrix(cells: readonly Cell[], seed: number, wire: Wire): Promise<number> {
  const results = await runBeds(cells, seed, wire)
  const summary = summaryOf(results)
  console.log(`\n${cellsTable(results)}\n\n${timesTable(summary)}\n`)
  for (const { cell, what } of summary.late) console.log(`late: ${cell}: ${what.join('; ')}`)
  for (const { cell, what } of summary.failed) console.log(`NOT ok: ${cell}: ${what.join('; ')}`)
  console.log(JSON.stringify({ seed, wire, ...summary }))
  return summary.failed.length === 0 ? 0 : 1
}

async function busy(seed: number, minutes: number): Promise<number> {
  const result = await runBusy(wishOf('digits', seed), minutes)
  const passed = isCalm(result)
  console.log(`${busyTable(result)}\n`)
  console.log(JSON.stringify({ seed, minutes, passed, ...result }))
  return passed ? 0 : 1
}

async function frozenConsumer(minutes: number): Promise<number> {
  const result = await runFrozenConsumer(minutes)
  const problems = frozenProblems(result)
  console.log(`${memoryTable(result)}\n\n${ratesTable(result)}\n`)
  for (const problem of problems) console.log(`NOT ok: ${problem}`)
  console.log(JSON.stringify({ minutes, passed: problems.length === 0, ...result }))
  return problems.length === 0 ? 0 : 1
}

function misused(reason: string): number {
  const names = allCells().map(({ name }) => name)
  console.error(`${reason}\n${USAGE}\ncells: ${names.join(', ')}`)
  return 2
}

async function runBeds(cells: readonly Cell[], seed: number, wire: Wire): Promise<CellResult[]> {
  const results: CellResult[] = []
  for (const bed of new Set(cells.map(cell => cell.bed))) {
    const stand = await Stand.open(wishOf(bed, seed, wire))
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

function wishOf(bed: Bed, seed: number, wire: Wire = 'f32'): StandWish {
  const broker = bed === 'mosquitto' ? 'mosquitto' : 'embedded'
  const about = { spares: 1, broker, seed, wire } as const
  if (bed === 'resnet50') return { ...about, model: resnet50(), partitions: 4, window: 10, distinct: 12 }
  // Few have answers that are far apart.
  return { ...about, model: DIGITS, partitions: 3, window: 8, distinct: wire === 'f32' ? 97 : 16 }
}

/** Faults of every kind that can be mended, as chance has it. @returns the exit status */
function atRandom(model: string, seed: number, minutes: number): number {
  const program = inCheckout('dist/actors/bin/millrace.js')
  const kinds = 'kill,crash,stall,slow,cut,silence,corrupt,poison'
  const args = [program, 'chaos', model, '--seed', `${seed}`, '--minutes', `${minutes}`, '--fault', kinds]
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1
}

/** Built once for a run. */
function resnet50(): string {
  const path = join(folder, 'resnet50.onnx')
  const program = inCheckout('dist/examples/models/build.js')
  if (!existsSync(path)) execFileSync(process.execPath, [program, 'resnet50', '--out', path])
  return path
}
