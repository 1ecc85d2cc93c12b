import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inCheckout } from '../../support/index.js'
import { type Bench, benchOptions } from '../bench.js'
import { inEmulation, type Surroundings, thisMachine } from '../in-emulation.js'
import { run } from '../run-to-end.js'
import { table } from '../table.js'
import { type Measured, type Order } from './order.js'
import { SIDE, tapering } from './tapering.js'

const STEPS = [100, 20, 5, 20, 100]
const SECONDS_OF_STEP = 60
const SECONDS_TO_ADAPT = 10
const DEVICES = 3
const CORES = 0.25
const HUB_CORES = 0.5
const MIB = 1_024
const LIMIT_MS = 1_200_000
/** Of the best that is known at a bandwidth. */
const LEAST_PART = 0.9
const MOST_PLANS = 1

interface Row {
  readonly mbps: number
  readonly fps: number
  readonly bestFps: number
  readonly part: number
  /** From the step until three seconds one after the other were that good; left out: never. */
  readonly secondsToAdapt?: number
  readonly plans: number
}

/** Whether a pipeline follows its links when their bandwidth changes. */
export const adaptationBench: Bench = {
  options: '[--json] [--folder FOLDER]',
  summary:
    'frames per second after each step of the bandwidth of all links, beside those of a cluster that was started at that ' +
    'bandwidth, and how many plans were made for it; on emulated devices; needs root on Linux',
  run: async options => {
    const { json, folder: given } = benchOptions(options, {
      json: { type: 'boolean', default: false },
      folder: { type: 'string' },
    })
    return inEmulation('adaptation', json, given, async surroundings => {
      const measured = await measure(surroundings)
      const rows = rowsOf(measured)
      const { admitted, predicted, disorder } = measured.frames
      const problems = [
        ...rows.flatMap(problemsOf),
        ...(admitted === predicted && disorder === 0 ? [] : ['frames were lost or out of order']),
      ]
      if (!json) console.log(`${text(rows, measured)}\n\n${problems.join('\n') || 'kept'}`)
      const about = { bench: 'adaptation', kept: problems.length === 0, problems, machine: thisMachine() }
      console.log(JSON.stringify({ ...about, rows, ...measured }))
      return problems.length === 0 ? 0 : 1
    })
  },
}

async function measure({ folder, signal, say }: Surroundings): Promise<Measured> {
  mkdirSync(folder, { recursive: true })
  const paths = ['tapering.onnx', 'cluster.json', 'order.json', 'result.json'].map(name => join(folder, name))
  const [model = '', cluster = '', order = '', result = ''] = paths
  writeFileSync(model, tapering())
  const small = Array.from({ length: DEVICES }, (_, i) => `pi-${i + 1}`).map(id => {
    return { id, speed: CORES, cores: 1, memoryMiB: MIB }
  })
  const hub = { id: 'hub', speed: HUB_CORES, cores: 1, memoryMiB: 4 * MIB }
  const links = { mbps: STEPS[0] }
  writeFileSync(cluster, JSON.stringify({ dispatcher: 'hub', devices: [hub, ...small], links }))
  const steps = { steps: STEPS, secondsOfStep: SECONDS_OF_STEP, secondsToAdapt: SECONDS_TO_ADAPT }
  writeFileSync(order, JSON.stringify({ model, side: SIDE, cluster, ...steps } satisfies Order))
  const program = [process.execPath, inCheckout('dist/test/bench/adaptation/on-hub.js'), order, result]
  const env = { XDG_CACHE_HOME: join(folder, 'cache') }
  await run(['emulate', cluster, '--', ...program], { signal, limitMs: LIMIT_MS, env, say })
  return JSON.parse(readFileSync(result, 'utf8')) as Measured
}

function rowsOf({ fixed, steps }: Measured): Row[] {
  return steps.map(({ mbps, fps, predictions, plans }) => {
    const bestFps = fixed.find(one => one.mbps === mbps)?.fps ?? NaN
    const rateAt = (second: number) => mean(predictions.slice(second, second + 3))
    const adapted = predictions.findIndex((_, second) => rateAt(second) >= LEAST_PART * bestFps)
    const secondsToAdapt = adapted === -1 ? {} : { secondsToAdapt: adapted }
    return { mbps, fps, bestFps, part: fps / bestFps, ...secondsToAdapt, plans: plans.length }
  })
}

function problemsOf({ mbps, part, plans }: Row, index: number): string[] {
  const where = `step ${index + 1}, ${mbps} Mbit/s`
  return [
    ...(part >= LEAST_PART
      ? []
      : [`${where}: ${part.toFixed(2)} of the best that is known, not ${LEAST_PART}`]),
    ...(plans <= MOST_PLANS ? [] : [`${where}: ${plans} plans, not ${MOST_PLANS}`]),
  ]
}

function text(rows: readonly Row[], { frames }: Measured): string {
  const header = ['Mbit/s', 'fps after 10 s', 'fixed', 'part', 'good after s', 'plans']
  const cells = rows.map(({ mbps, fps, bestFps, part, secondsToAdapt, plans }) => [
    ...[
      `${mbps}`,
      fps.toFixed(2),
      bestFps.toFixed(2),
      part.toFixed(2),
      `${secondsToAdapt ?? '–'}`,
      `${plans}`,
    ],
  ])
  const { admitted, predicted, disorder } = frames
  return `${table(header, cells)}\n\n${predicted} of ${admitted} frames predicted, ${disorder} out of order`
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length
}
