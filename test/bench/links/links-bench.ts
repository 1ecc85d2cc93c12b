import { cpus, loadavg } from 'node:os'
import { type Bench, benchOptions, UsageError } from '../bench.js'
import { table } from '../table.js'
import { type Figure, type Row, rowsOf, type Target, targetsOf } from './figures.js'
import { measure, SIZES, WINDOW } from './measure.js'
import { type Way } from './ways.js'

const ROUNDS = 9
const NAMES: Readonly<Record<Way, string>> = {
  tcp: 'raw TCP',
  peer: 'peer link',
  broker: 'embedded broker',
  mosquitto: 'Mosquitto',
}

/** What a message between two processes costs, whichever way it goes. */
export const linksBench: Bench = {
  options: '[--json] [--rounds N]',
  summary:
    'throughput, latency and processor time of messages of 10 kB to 3.2 MB between two processes: raw TCP, the link ' +
    'between two workers, through the embedded broker, through Mosquitto',
  run: async options => {
    const { json, rounds } = settings(options)
    const before = loadavg()
    const measured = await measure(rounds)
    const [cpu] = cpus()
    const machine = {
      processor: cpu?.model ?? 'unknown',
      cores: cpus().length,
      node: process.version,
      load: { before, after: loadavg() },
    }
    const rows = rowsOf(measured.rounds)
    const targets = targetsOf(rows)
    const kept = targets.every(target => target.kept)
    if (!json) console.log(`${report(rows, measured.missing, targets)}\n`)
    const { missing } = measured
    console.log(
      JSON.stringify({ bench: 'links', machine, rounds, window: WINDOW, kept, targets, missing, rows }),
    )
    return kept ? 0 : 1
  },
}

/** @throws UsageError */
function settings(options: readonly string[]): { json: boolean; rounds: number } {
  const { json, rounds: given } = benchOptions(options, {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: `${ROUNDS}` },
  })
  const rounds = Number(given)
  if (Number.isSafeInteger(rounds) && rounds >= 1 && rounds <= 1_000) return { json, rounds }
  throw new UsageError(`--rounds ${given} is not a whole number from 1 to 1000`)
}

function report(rows: readonly Row[], missing: readonly Way[], targets: readonly Target[]): string {
  const header = ['kB', 'way', 'MB/s', 'of TCP', 'p50 ms', 'above TCP', 'p99 ms', 'CPU ms a message']
  const lines = SIZES.flatMap(bytes => [
    ...rows.filter(row => row.bytes === bytes).map(lineOf),
    ...missing.map(way => [`${bytes / 1e3}`, NAMES[way], 'not installed']),
  ])
  return [
    `Throughput with ${WINDOW} messages on their way, latency with one, from the call of send until the other process has it, by the`,
    "machine's monotonic clock. Medians over rounds, with quartiles; `of TCP` and `above TCP` are taken round by round.\n",
    table(header, lines),
    '',
    ...targets.map(textOf),
  ].join('\n')
}

function lineOf({ bytes, way, mbps, ofTcp, p50, aboveTcp, p99, cpuMs }: Row): string[] {
  const figures = [mbps, ofTcp, p50, aboveTcp, p99].map(cell)
  return [`${bytes / 1e3}`, NAMES[way], ...figures, cpuMs === undefined ? '-' : cell(cpuMs)]
}

function cell({ median, low, high }: Figure): string {
  return `${short(median)} (${short(low)}-${short(high)})`
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)))
}

function textOf({ what, wanted, measured, kept }: Target): string {
  return `${kept ? 'kept' : 'MISSED'}: ${what}: ${short(measured)}, wanted ${wanted}`
}
