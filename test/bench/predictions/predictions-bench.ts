import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type RunSummary } from '../../../actors/bin/run/summary.js'
import { inCheckout } from '../../support/index.js'
import { type Bench, benchOptions, UsageError } from '../bench.js'
import { inEmulation } from '../in-emulation.js'
import { table } from '../table.js'
import { watchRuntimes } from './stage-memory.js'

const MODELS = ['resnet50', 'mobilenet-v2', 'vision-transformer']
const MODELS_THAT_CAN_BE_BUILT = [...MODELS, 'vgg16', 'vgg19']
/** Enough that what the first hundred take longer, on processes that are still warming up, shows little. */
const FRAMES = 400
/** 1.15 cores in all, so that what is emulated fits on two cores beside what emulates it. */
const DEVICES = [
  { id: 'hub', speed: 0.5, cores: 1, memoryMiB: 4096 },
  { id: 'pi-1', speed: 0.3, cores: 1, memoryMiB: 1024 },
  { id: 'pi-2', speed: 0.2, cores: 1, memoryMiB: 1024 },
  { id: 'pi-3', speed: 0.15, cores: 1, memoryMiB: 1024 },
]
const CLUSTER = JSON.stringify({ dispatcher: 'hub', devices: DEVICES, links: { mbps: 1_000 } })
const WANTED = 0.15
const LIMIT_MS = 600_000

interface StageRow {
  readonly worker: string
  readonly plannedBytes: number
  readonly measuredBytes: number
}

interface Row {
  readonly model: string
  readonly replicas: boolean
  readonly plannedFps: number
  readonly fps: number
  readonly bottleneck: string
  readonly stages: readonly StageRow[]
}

/** What deployments predict, beside what comes of them on emulated devices of unequal speed. */
export const predictionsBench: Bench = {
  options: '[--json] [--frames N] [--models NAME,NAME] [--folder FOLDER]',
  summary:
    'planned and measured frames per second, and memory of stages, on emulated devices of unequal speed; needs root on ' +
    'Linux; FOLDER keeps models for the next run',
  run: async options => {
    const { json, frames, models, folder } = settings(options)
    return inEmulation('predictions', json, folder, async ({ folder: place, signal }) => {
      const rows = await measure(place, models, frames, signal)
      const kept = rows.every(isNear)
      if (!json) console.log(report(rows))
      console.log(
        JSON.stringify({ bench: 'predictions', frames, devices: DEVICES, wanted: WANTED, kept, rows }),
      )
      return kept ? 0 : 1
    })
  },
}

/** @throws UsageError */
function settings(options: readonly string[]) {
  const known = {
    json: { type: 'boolean', default: false },
    frames: { type: 'string', default: `${FRAMES}` },
    models: { type: 'string', default: MODELS.join(',') },
    folder: { type: 'string' },
  } as const
  const values = benchOptions(options, known)
  const frames = Number(values.frames)
  if (!Number.isSafeInteger(frames) || frames < 1)
    throw new UsageError(`--frames takes a whole number, not ${values.frames}`)
  const models = values.models.split(',')
  const unknown = models.find(model => !MODELS_THAT_CAN_BE_BUILT.includes(model))
  if (unknown !== undefined)
    throw new UsageError(`--models takes ${MODELS_THAT_CAN_BE_BUILT.join(', ')}, not ${unknown}`)
  return { json: values.json, frames, models, folder: values.folder }
}

async function measure(
  folder: string,
  models: readonly string[],
  frames: number,
  signal: AbortSignal,
): Promise<Row[]> {
  await mkdir(folder, { recursive: true })
  const cluster = join(folder, 'cluster.json')
  writeFileSync(cluster, CLUSTER)
  const rows: Row[] = []
  for (const model of models) {
    const file = join(folder, `${model}.onnx`)
    if (!existsSync(file)) await node(signal, 'examples/models/build.js', model, '--out', file)
    for (const replicas of [false, true])
      rows.push(await rowOf(model, file, cluster, frames, replicas, signal))
  }
  return rows
}

async function rowOf(
  model: string,
  file: string,
  cluster: string,
  frames: number,
  replicas: boolean,
  signal: AbortSignal,
): Promise<Row> {
  const watched = watchRuntimes()
  try {
    const run = ['run', file, '--frames', `${frames}`, '--json', ...(replicas ? [] : ['--no-replicas'])]
    const millrace = inCheckout('dist/actors/bin/millrace.js')
    const out = await node(
      signal,
      'actors/bin/millrace.js',
      'emulate',
      cluster,
      '--',
      process.execPath,
      millrace,
      ...run,
    )
    const { fps, planned, stages } = JSON.parse(out) as RunSummary
    return {
      ...{ model, replicas, fps },
      ...{ plannedFps: planned?.fps ?? NaN, bottleneck: planned?.bottleneck ?? '' },
      stages: stages.map(({ worker, memoryBytes = NaN }) => ({
        ...{ worker, plannedBytes: memoryBytes, measuredBytes: watched.peaks.get(worker) ?? NaN },
      })),
    }
  } finally {
    watched.stop()
  }
}

/** Runs a program of this checkout to its end, also where it is asked to stop. @returns what it printed */
async function node(signal: AbortSignal, program: string, ...args: string[]): Promise<string> {
  signal.throwIfAborted()
  const running = promisify(execFile)(process.execPath, [inCheckout(`dist/${program}`), ...args], {
    ...{ timeout: LIMIT_MS, killSignal: 'SIGTERM', maxBuffer: 2 ** 26 },
  })
  const stop = () => running.child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  try {
    return (await running).stdout
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function isNear({ fps, plannedFps, stages }: Row): boolean {
  return near(fps, plannedFps) && stages.every(stage => near(stage.measuredBytes, stage.plannedBytes))
}

function near(measured: number, planned: number): boolean {
  return Math.abs(measured / planned - 1) <= WANTED
}

function report(rows: readonly Row[]): string {
  const header = [
    'model',
    'replicas',
    'planned fps',
    'measured',
    'ratio',
    'slowest',
    'memory MB, planned and measured',
  ]
  return table(
    header,
    rows.map(({ model, replicas, plannedFps, fps, bottleneck, stages }) => [
      ...[
        model,
        replicas ? 'yes' : 'no',
        plannedFps.toFixed(2),
        fps.toFixed(2),
        (fps / plannedFps).toFixed(2),
      ],
      bottleneck,
      stages
        .map(({ worker, plannedBytes, measuredBytes }) => {
          const ratio = (measuredBytes / plannedBytes).toFixed(2)
          return `${worker} ${megabytes(plannedBytes)} ${megabytes(measuredBytes)} (${ratio})`
        })
        .join(', '),
    ]),
  )
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0)
}
