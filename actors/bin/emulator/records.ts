import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { MillraceError } from '../../../core/errors.js'
import { startTicksOf } from '../cli/process-start.js'

/** The environment variable in which a command that runs in an emulated cluster finds the cluster's record. */
export const EMULATED_CLUSTER = 'MILLRACE_EMULATED_CLUSTER'

/** Where records are: in memory, because what they stand for is gone too once the machine has restarted. */
export const RECORDS = '/run'

const Place = z.strictObject({
  id: z.string(),
  address: z.string(),
  /** Words that, put before a command, run it in the device. */
  enter: z.array(z.string()).readonly(),
})

const RunRecord = z.strictObject({ dispatcher: Place, workers: z.array(Place).readonly() })

/** A device, for those who run something in it. */
export type Place = Readonly<z.infer<typeof Place>>

/** What a run writes down before it makes anything, and removes after all else. */
export type RunRecord = Readonly<z.infer<typeof RunRecord>>

/**
 * A record's name says whose it is: the run, and the process that emulates, by its number and by when it started,
 * because another process may get the number of a dead one. So it says that even where it was never filled.
 */
const NAME = /^millrace-emulated-([0-9a-f]{8})-(\d+)-(\d+)\.json$/

/**
 * Writes down that this process emulates a cluster.
 * @returns the record's path
 * @throws EMULATOR_UNAVAILABLE
 */
export async function writeRecord(run: string, record: RunRecord, folder = RECORDS): Promise<string> {
  const started = await startTicksOf(process.pid)
  const path = join(folder, `millrace-emulated-${run}-${process.pid}-${started}.json`)
  await writeFile(path, JSON.stringify(record), { mode: 0o600 }).catch((error: unknown) => {
    throw MillraceError.from(error, 'EMULATOR_UNAVAILABLE', 'writing down what is made: ')
  })
  return path
}

/** @throws EMULATOR_UNAVAILABLE: there is none, or it is none */
export async function readRecord(path: string): Promise<RunRecord> {
  try {
    return RunRecord.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    throw MillraceError.from(error, 'EMULATOR_UNAVAILABLE', `${path} is the record of no emulated cluster: `)
  }
}

/** The runs that ended without removing what they made. */
export async function deadRuns(folder = RECORDS): Promise<string[]> {
  const dead: string[] = []
  for (const { run, pid, started } of await recordsIn(folder)) {
    if ((await startTicksOf(pid)) !== started) dead.push(run)
  }
  return dead
}

export async function removeRecord(run: string, folder = RECORDS): Promise<void> {
  for (const record of await recordsIn(folder)) {
    if (record.run === run) await rm(join(folder, record.file), { force: true })
  }
}

async function recordsIn(
  folder: string,
): Promise<{ file: string; run: string; pid: number; started: number }[]> {
  const files = await readdir(folder).catch(() => [])
  return files.flatMap(file => {
    const [, run, pid, started] = NAME.exec(file) ?? []
    return run === undefined ? [] : [{ file, run, pid: Number(pid), started: Number(started) }]
  })
}
