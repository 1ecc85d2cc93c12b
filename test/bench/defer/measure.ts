import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { type Costs, parseCosts } from '../../../core/costs/index.js'
import { type WireChoice } from '../../../core/wire.js'
import { inCheckout } from '../../support/index.js'
import { run } from '../run-to-end.js'
import { type Answers, prepareAnswers } from './answers.js'
import { type Measured, type Order, type Scheme } from './order.js'
import { PIXELS, type SchemeKey, schemesFor } from './schemes.js'

export interface DeferWish {
  readonly folder: string
  readonly model: string
  readonly devices: number
  /** Of a core of this machine, that each device has. */
  readonly cpu: number
  readonly linkMbps: number
  readonly wire: WireChoice
  readonly schemes: readonly SchemeKey[]
  readonly runs: number
  /** Different frames; also the most that are counted in a run. */
  readonly frames: number
  readonly signal: AbortSignal
  /** Told how far it is. */
  readonly say: (line: string) => void
}

export interface DeferMeasured extends Measured {
  readonly asked: readonly Scheme[]
  readonly weightBytes: number
  readonly answers: Pick<Answers, 'count' | 'classes' | 'margins'>
  readonly load: { readonly before: number; readonly after: number }
}

/** The dispatcher, the broker and the supervisor are there, and no stage. */
export const HUB_CORES = 0.5
const HUB_MIB = 8_192
const DEVICE_MIB = 4_096
const SECONDS_OF_RUN = 16
const BUILD_LIMIT_MS = 900_000
/** Beside the time in which the links carry the parts. */
const DEPLOY_LIMIT_MS = 240_000
/** Beside the streams: to start all, to deploy, to stop. */
const SECONDS_BESIDE_RUN = 10
const BESIDE_LIMIT_MS = 1_200_000

/** Emulates devices, runs the model on them in every way that is asked for, and says what came of it. */
export async function measure(wish: DeferWish): Promise<DeferMeasured> {
  const { folder, model, wire, runs, frames, signal } = wish
  await mkdir(folder, { recursive: true })
  const file = join(folder, `${model}.onnx`)
  const models = inCheckout('dist/examples/models/build.js')
  if (!existsSync(file)) await run(['', model, '--out', file], { signal, limitMs: BUILD_LIMIT_MS }, models)
  // Its supervisor finds there what the model costs.
  const env = { XDG_CACHE_HOME: join(folder, 'cache') }
  const limits = { signal, env, limitMs: BUILD_LIMIT_MS }
  const pixels = ['--input', JSON.stringify(PIXELS)]
  const costs = parseCosts(await run(['profile', file, '--json', ...pixels], limits), file)
  const answers = await prepareAnswers(folder, file, frames)
  const devices = Array.from({ length: wish.devices }, (_, i) => `pi-${i + 1}`)
  const schemes = schemesFor(wish.schemes, costs, devices, wire)
  // Of this run alone: an emulated cluster follows its file, which another run would write anew.
  const own = await mkdtemp(join(folder, 'run-'))
  const [order, result] = [join(own, 'order.json'), join(own, 'result.json')]
  const deployLimitMs = deployLimitOf(costs, wish)
  const about: Order = {
    ...{ model: file, devices, schemes, runs, ...answers },
    ...{ framesOfRun: frames, secondsOfRun: SECONDS_OF_RUN, deployLimitMs },
  }
  writeFileSync(order, JSON.stringify(about))
  const cluster = clusterFile(own, wish, devices)
  const hub = [process.execPath, inCheckout('dist/test/bench/defer/on-hub.js'), order, result]
  const streamsMs = 4_000 * (SECONDS_OF_RUN + SECONDS_BESIDE_RUN) * runs * schemes.length
  const limitMs = BESIDE_LIMIT_MS + deployLimitMs * schemes.length + streamsMs
  const [before = NaN] = loadavg()
  const measured = await run(['emulate', cluster, '--', ...hub], { ...limits, limitMs, say: wish.say })
    .then(() => JSON.parse(readFileSync(result, 'utf8')) as Measured)
    .finally(() => rm(own, { recursive: true, force: true }))
  const [after = NaN] = loadavg()
  return {
    ...measured,
    asked: schemes,
    weightBytes: weightBytesOf(costs),
    answers,
    load: { before, after },
  }
}

/** All devices may have all weights, over the one link of the dispatcher's machine. */
function deployLimitOf(costs: Costs, { devices, linkMbps }: DeferWish): number {
  return Math.ceil(DEPLOY_LIMIT_MS + (2 * 8 * devices * weightBytesOf(costs)) / linkMbps / 1e3)
}

function weightBytesOf({ blocks }: Costs): number {
  return blocks.reduce((sum, { weightBytes }) => sum + weightBytes, 0)
}

function clusterFile(folder: string, { cpu, linkMbps }: DeferWish, devices: readonly string[]): string {
  const file = join(folder, 'cluster.json')
  const small = devices.map(id => ({ id, speed: cpu, cores: 1, memoryMiB: DEVICE_MIB }))
  const hub = { id: 'hub', speed: HUB_CORES, cores: 1, memoryMiB: HUB_MIB }
  writeFileSync(
    file,
    JSON.stringify({ dispatcher: 'hub', devices: [hub, ...small], links: { mbps: linkMbps } }),
  )
  return file
}
