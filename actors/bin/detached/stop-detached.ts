import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { MillraceError } from '../../../core/errors.js'
import { startOf } from '../cli/process-start.js'
import { descendantsOf } from './process-tree.js'
import { type FoundRun, type StateFolder } from './state-folder.js'

/** It stops in order within this, or is killed. */
export const STOP_LIMIT_MS = 30_000
const KILL_LIMIT_MS = 5_000
const LOOK_MS = 50

/** How a run in the background came to its end. */
export type StopOutcome = 'stopped' | 'killed' | 'gone already'

interface Known {
  readonly pid: number
  readonly started: string
}

/**
 * Stops a run in order; kills what of it is left after the limit; removes its folder.
 * @throws INTERNAL: what was killed is still there
 */
export async function stopDetached(
  state: StateFolder,
  { record, folder, alive }: FoundRun,
  limitMs = STOP_LIMIT_MS,
): Promise<StopOutcome> {
  if (alive && (await isFirst(folder))) signal(record.pid, 'SIGTERM')
  const ended = !alive || (await gone([record], limitMs))
  if (!ended) await killAll(record)
  await state.remove(record.port)
  return alive ? (ended ? 'stopped' : 'killed') : 'gone already'
}

/** A second request would be taken for impatience. */
async function isFirst(folder: string): Promise<boolean> {
  try {
    await (await open(join(folder, 'stopping'), 'wx')).close()
    return true
  } catch {
    return false
  }
}

/** It comes first: it would start the others again. */
async function killAll(run: Known): Promise<void> {
  const pids = await descendantsOf(run.pid)
  const starts = await Promise.all(pids.map(async pid => ({ pid, started: await startOf(pid) })))
  const others = starts.flatMap(({ pid, started }) => (started === undefined ? [] : [{ pid, started }]))
  const all = [run, ...others]
  for (const { pid, started } of all) if ((await startOf(pid)) === started) signal(pid, 'SIGKILL')
  if (await gone(all, KILL_LIMIT_MS)) return
  const left = all.map(({ pid }) => pid).join(', ')
  throw new MillraceError('INTERNAL', `of the processes ${left}, some are there though they were killed`)
}

async function gone(processes: readonly Known[], limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs
  let left = processes
  for (;;) {
    const states = await Promise.all(left.map(({ pid }) => startOf(pid)))
    left = left.filter(({ started }, i) => states[i] === started)
    if (left.length === 0) return true
    if (performance.now() > deadline) return false
    await setTimeout(LOOK_MS)
  }
}

/** It may have ended just now. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
