import { type ChildProcess, spawn } from 'node:child_process'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ownCommand, stopChild, whenReady } from '../cli/processes.js'
import { type Session } from '../cli/session.js'
import { OWN_FOLDER } from './own-run.js'
import { LOG, RunRecord, type StateFolder } from './state-folder.js'

const START_LIMIT_MS = 300_000

/**
 * Runs this very command in the background, in a session of its own, which no terminal ends; returns when it is up.
 * @throws what it fails with; PORT_TAKEN, STATE_UNWRITABLE, START_TIMEOUT, STOPPED
 */
export async function startDetached(session: Session, state: StateFolder, port: number): Promise<RunRecord> {
  if (port !== 0) await state.refuseTaken(port)
  const folder = await state.begin()
  // Renamed, once the run has it.
  session.cleanup.defer('removing the folder of the start', () =>
    rm(folder, { recursive: true, force: true }),
  )
  const child = await spawnIn(folder)
  let up = false
  session.cleanup.defer('stopping what did not come up', async () => {
    if (!up) await stopChild(child)
  })
  const details = await session.untilStopped(whenReady(child, 'millrace up', START_LIMIT_MS))
  up = true
  child.disconnect()
  child.unref()
  return RunRecord.parse(details)
}

async function spawnIn(folder: string): Promise<ChildProcess> {
  const [program = '', ...words] = ownCommand(process.argv.slice(2))
  const log = await open(join(folder, LOG), 'a', 0o600)
  try {
    return spawn(program, words, {
      detached: true,
      stdio: ['ignore', log.fd, log.fd, 'ipc'],
      env: { ...process.env, [OWN_FOLDER]: folder },
    })
  } finally {
    await log.close()
  }
}
