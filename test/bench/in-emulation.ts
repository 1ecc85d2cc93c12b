import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { whyNotEmulated } from '../support/emulation.js'

export interface Surroundings {
  readonly folder: string
  /** Aborts on the first Ctrl-C or request to end: what was started is stopped in order then. */
  readonly signal: AbortSignal
  /** Told how far it is. */
  readonly say: (line: string) => void
}

/**
 * Does something that takes emulated devices; where there can be none, that is said, and nothing else happens.
 * @param given  a folder that stays; left out, a temporary one
 * @returns the exit status
 */
export async function inEmulation(
  bench: string,
  json: boolean,
  given: string | undefined,
  act: (surroundings: Surroundings) => Promise<number>,
): Promise<number> {
  const why = whyNotEmulated()
  if (why !== undefined) {
    const reason = `devices cannot be emulated, as ${why}`
    console.log(json ? JSON.stringify({ bench, skipped: reason }) : `not measured here: ${reason}`)
    return 0
  }
  const folder = given === undefined ? mkdtempSync(join(tmpdir(), 'millrace-bench-')) : resolve(given)
  const stop = new AbortController()
  const abort = () => stop.abort()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, abort)
  try {
    return await act({ folder, signal: stop.signal, say: line => console.error(line) })
  } catch (error) {
    if (!stop.signal.aborted) throw error
    console.error('stopped')
    return 130
  } finally {
    if (given === undefined) rmSync(folder, { recursive: true })
  }
}

export function thisMachine(): { processor: string; cores: number; node: string } {
  return { processor: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version }
}
