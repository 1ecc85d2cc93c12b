import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { knownAnswers } from '../../../actors/bin/chaos/answers.js'
import { type Verdict } from '../../../actors/bin/chaos/checker.js'
import { ChaosStream } from '../../../actors/bin/chaos/stream.js'
import { type Cluster, connect, type Pipeline } from '../../../config/index.js'
import { openModel } from '../../../config/model-source.js'
import { quantile } from '../../../core/costs/index.js'
import { CliRun } from '../../support/cli.js'
import { inCheckout } from '../../support/index.js'
import { Gaps } from './gaps.js'

const SEED = 1
const DISTINCT_FRAMES = 40
const MEASURED_FRAMES = 200
/** Before the first change, and after each. */
const CALM_MS = 3_000
const LIMIT_MS = 45_000
/** A version, and a canary. */
const DEPLOYED_IN_ROUND = 2
/** Field 6 of an ONNX model, a text about it. */
const DOC_STRING = 0x32

export interface Settings {
  /** Left out: MobileNetV2, which is built. */
  readonly model?: string | undefined
  /** Share of what the pipeline does that it is given to do. */
  readonly load: number
  readonly workers: number
  readonly partitions: number
  readonly rounds: number
}

export interface ChangeRow {
  readonly change: string
  /** Until the change was in force. */
  readonly tookMs: number
  /** In that time and for three seconds after. */
  readonly longestMs: number
  readonly predictions: number
}

export interface Measured {
  readonly fps: number
  readonly medianMs: number
  readonly changes: readonly ChangeRow[]
  readonly frames: Verdict
}

/**
 * Changes versions of a model under a stream at a share of what the pipeline does: a cluster of processes on this machine. All
 * versions give the same answers, so that each prediction can be compared with the uncut model's.
 */
export async function changeVersions(settings: Settings): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  const up = new CliRun(['up', '--port', '0', '--workers', String(settings.workers), '--json'])
  try {
    const { broker } = JSON.parse(await up.firstLine()) as { broker: string }
    const cluster = await connect(broker)
    try {
      return await measure(cluster, folder, settings)
    } finally {
      await cluster.close()
    }
  } finally {
    await up.stop()
    rmSync(folder, { recursive: true })
  }
}

async function measure(
  cluster: Cluster,
  folder: string,
  { model: given, load, partitions, rounds }: Settings,
): Promise<Measured> {
  const model = given ?? (await built(folder))
  const { graph } = await openModel(model)
  const known = await knownAnswers(model, graph.inputs, SEED, DISTINCT_FRAMES)
  const options = { name: 'bench', partitions, replicas: false }
  // Beforehand: the frames are this thread's too.
  const files = Array.from({ length: 1 + DEPLOYED_IN_ROUND * rounds }, (_, i) =>
    versionFile(folder, model, i),
  )
  const deploy = async (share: { canary?: number } = {}) => {
    // A dispatcher without frames has no part in what is measured.
    const pipeline = await cluster.deploy(files.pop() ?? model, { ...options, ...share })
    await pipeline.close()
  }
  const pipeline = await cluster.deploy(files.pop() ?? model, options)
  const stream = new ChaosStream(pipeline, known)
  const fps = await stream.measure(MEASURED_FRAMES, load)
  const acts: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['none, for as long', () => setTimeout(CALM_MS)],
    ['a new version', () => deploy()],
    ['a canary of 20 %', () => deploy({ canary: 0.2 })],
    ['its promotion', () => pipeline.promote()],
    ['a rollback', () => pipeline.rollback()],
  ]
  const changes: ChangeRow[] = []
  const calm: number[] = []
  for (let round = 0; round < rounds; round++) {
    for (const [change, act] of acts) {
      const { row, gaps } = await watched(pipeline, change, act)
      changes.push(row)
      if (change === acts[0]?.[0]) calm.push(...gaps)
    }
  }
  const frames = await stream.end(LIMIT_MS)
  return { fps, medianMs: quantile(calm, 0.5), changes, frames }
}

async function watched(
  pipeline: Pipeline,
  change: string,
  act: () => Promise<unknown>,
): Promise<{ row: ChangeRow; gaps: readonly number[] }> {
  const gaps = new Gaps(pipeline)
  const startedAt = performance.now()
  await act()
  const tookMs = performance.now() - startedAt
  await setTimeout(CALM_MS)
  const all = gaps.end()
  return { row: { change, tookMs, longestMs: Math.max(...all), predictions: all.length }, gaps: all }
}

async function built(folder: string): Promise<string> {
  const file = join(folder, 'mobilenet-v2.onnx')
  const program = inCheckout('dist/examples/models/build.js')
  await promisify(execFile)(process.execPath, [program, 'mobilenet-v2', '--out', file])
  return file
}

/** The same model with another text about it: another SHA-256. */
function versionFile(folder: string, model: string, version: number): string {
  const text = Buffer.from(`version ${version}`)
  const file = join(folder, `${version}-${basename(model)}`)
  writeFileSync(file, Buffer.concat([readFileSync(model), Buffer.of(DOC_STRING, text.length), text]))
  return file
}
