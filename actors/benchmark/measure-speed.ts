import { createHash } from 'node:crypto'
import { open, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import { Birth, type Speed } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { cpuQuota, makeFolder } from '../machine/index.js'
import { profileFolder, thisMachine, writeWhole } from '../profiler/index.js'
import { type MeasuredSpeed, runBenchmark } from './run-benchmark.js'

const LOOK_MS = 50
/** Longer than a measurement takes, also on a busy machine: whoever made the mark is gone, or must not be waited for. */
const WAIT_MS = 6_000

const SpeedFile = z.object({ speed: Birth.shape.speed.unwrap(), measuredAt: z.iso.datetime() })

export interface SpeedSource {
  /** Where figures are kept; left out: the folder of profiles. */
  readonly folder?: string
  readonly signal?: AbortSignal
  readonly measure?: (signal?: AbortSignal) => Promise<MeasuredSpeed>
}

/**
 * The speed of a core: as it was measured before on such a machine under such a quota, or measured now and kept. Of
 * several processes that ask at once, one measures and the others wait for it, for a few seconds.
 * @throws as `runBenchmark`
 */
export async function measureSpeed({
  folder = profileFolder(undefined),
  signal,
  measure = runBenchmark,
}: SpeedSource = {}): Promise<Speed> {
  const path = join(folder, fileName())
  const mark = `${path}.measuring`
  const deadline = performance.now() + WAIT_MS
  while (performance.now() < deadline) {
    const kept = await readSpeed(path)
    if (kept !== undefined) return kept
    if (await begin(mark)) break
    await setTimeout(LOOK_MS, undefined, { signal }).catch(() => {
      throw new MillraceError('STOPPED', 'the benchmark was stopped')
    })
  }
  try {
    const { speed, lasting } = await measure(signal)
    // A figure that cannot be kept is measured again another time.
    if (lasting) await writeSpeed(path, speed).catch(() => undefined)
    return speed
  } finally {
    await rm(mark, { force: true }).catch(() => undefined)
  }
}

function fileName(): string {
  const { cpu, cores, onnxruntime } = thisMachine()
  const key = JSON.stringify([cpu, cores, cpuQuota()?.toFixed(2), onnxruntime])
  return `speed-${createHash('sha256').update(key).digest('hex').slice(0, 12)}.json`
}

/** Undefined where there is none, or none that can be read. */
async function readSpeed(path: string): Promise<Speed | undefined> {
  try {
    return SpeedFile.parse(JSON.parse(await readFile(path, 'utf8'))).speed
  } catch {
    return undefined
  }
}

function writeSpeed(path: string, speed: Speed): Promise<void> {
  return writeWhole(path, `${JSON.stringify({ speed, measuredAt: new Date().toISOString() })}\n`)
}

/** Whether it is this process that is to measure: nobody else does, or the folder takes no mark. */
async function begin(mark: string): Promise<boolean> {
  try {
    await makeFolder(dirname(mark))
    await (await open(mark, 'wx')).close()
    return true
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) return true
  }
  const { mtimeMs } = await stat(mark).catch(() => ({ mtimeMs: Date.now() }))
  if (Date.now() - mtimeMs > WAIT_MS) await rm(mark, { force: true }).catch(() => undefined)
  return false
}
