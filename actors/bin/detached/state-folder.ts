import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { z } from 'zod'
import { MillraceError } from '../../../core/errors.js'
import { makeFolder } from '../../machine/index.js'
import { startOf } from '../cli/process-start.js'

const RECORD = 'run.json'
export const LOG = 'log'
const STARTING = 'starting-'
/** A start has ended long before, however it did. */
const STALE_START_MS = 3_600_000

/** What is written down of a run in the background. */
export const RunRecord = z.object({
  pid: z.int().min(1),
  /** Tells its process from others that get its number. */
  started: z.string(),
  port: z.int().min(1).max(65_535),
  broker: z.string(),
  workers: z.int(),
  log: z.string(),
})
export type RunRecord = Readonly<z.infer<typeof RunRecord>>

export interface FoundRun {
  readonly record: RunRecord
  readonly folder: string
  /** False: it ended without removing its folder. */
  readonly alive: boolean
}

/** Where runs in the background have a folder each, `up-<port>`, with their record, log and model parts. */
export class StateFolder {
  readonly path: string

  /** @param given  left out: `millrace` in XDG_STATE_HOME, or in ~/.local/state */
  constructor(given: string | undefined, env: NodeJS.ProcessEnv = process.env) {
    const { XDG_STATE_HOME: home = '' } = env
    const states = isAbsolute(home) ? home : join(homedir(), '.local', 'state')
    this.path = resolve(given ?? join(states, 'millrace'))
  }

  /**
   * @returns a new folder, for a run whose port is not known yet
   * @throws STATE_UNWRITABLE
   */
  async begin(): Promise<string> {
    try {
      await makeFolder(this.path, 0o700)
      await this.sweep()
      return await mkdtemp(join(this.path, STARTING))
    } catch (error) {
      throw MillraceError.from(error, 'STATE_UNWRITABLE')
    }
  }

  /**
   * Gives a run that has its port the folder of that port, in the place of one that ended without removing it.
   * @param starting  the folder that it has had
   * @throws PORT_TAKEN: another run has it; STATE_UNWRITABLE
   */
  async settle(starting: string, run: Omit<RunRecord, 'log'>): Promise<RunRecord> {
    const folder = this.folderOf(run.port)
    const record = { ...run, log: join(folder, LOG) }
    await this.refuseTaken(run.port)
    try {
      await writeFile(join(starting, RECORD), `${JSON.stringify(record)}\n`, { mode: 0o600 })
      // What the one before said at its end may be what is looked for.
      await rename(record.log, join(starting, `${LOG}.1`)).catch(() => undefined)
      await rm(folder, { recursive: true, force: true })
      await rename(starting, folder)
      return record
    } catch (error) {
      throw MillraceError.from(error, 'STATE_UNWRITABLE')
    }
  }

  /** @throws PORT_TAKEN: a run in the background listens on that port */
  async refuseTaken(port: number): Promise<void> {
    const found = await this.find(port)
    if (found?.alive !== true) return
    const { pid, broker } = found.record
    throw new MillraceError(
      'PORT_TAKEN',
      `a 'millrace up --detach' listens on ${broker}, process ${pid}; 'millrace down --port ${port}' stops it`,
    )
  }

  async find(port: number): Promise<FoundRun | undefined> {
    const folder = this.folderOf(port)
    const record = await readRecord(folder)
    if (record === undefined) return undefined
    return { record, folder, alive: (await startOf(record.pid)) === record.started }
  }

  /** Ports of runs that are alive. */
  async ports(): Promise<number[]> {
    const names = await readdir(this.path).catch(() => [])
    const ports = names.flatMap(name => /^up-(\d+)$/.exec(name)?.[1] ?? []).map(Number)
    const found = await Promise.all(ports.map(port => this.find(port)))
    return found.flatMap(run => (run?.alive === true ? [run.record.port] : [])).sort((a, b) => a - b)
  }

  async remove(port: number): Promise<void> {
    await rm(this.folderOf(port), { recursive: true, force: true })
  }

  private folderOf(port: number): string {
    return join(this.path, `up-${port}`)
  }

  /** Removes what starts left that were killed. */
  private async sweep(): Promise<void> {
    for (const name of await readdir(this.path)) {
      const path = join(this.path, name)
      const born = name.startsWith(STARTING) ? await stat(path).catch(() => undefined) : undefined
      if (born !== undefined && Date.now() - born.mtimeMs > STALE_START_MS) {
        await rm(path, { recursive: true, force: true })
      }
    }
  }
}

async function readRecord(folder: string): Promise<RunRecord | undefined> {
  try {
    return RunRecord.parse(JSON.parse(await readFile(join(folder, RECORD), 'utf8')))
  } catch {
    return undefined
  }
}
