import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { inCheckout } from './support/index.js'
import { processesWith } from './support/processes.js'

/** Runs AVA with the given arguments so that nothing stays behind, also when it is interrupted: no process, no file. */
const MARK = 'MILLRACE_TEST_RUN'
const GRACE_MS = 10_000
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

const id = randomUUID()
const folder = mkdtempSync(join(tmpdir(), 'millrace-tests-'))
const ava = spawn(process.execPath, [inCheckout('node_modules/.bin/ava'), ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, TMPDIR: folder, [MARK]: id },
})
let interrupted: number | undefined
for (const [name, status] of Object.entries(SIGNALS)) {
  process.on(name, () => {
    interrupted ??= status
    ava.kill('SIGTERM')
  })
}
const [status] = (await once(ava, 'exit')) as [number | null]
await endAll()
rmSync(folder, { recursive: true, force: true })
process.exit(interrupted ?? status ?? 1)

/** What tests started ends by itself when they are gone; what does not is ended. */
async function endAll(): Promise<void> {
  const left = () => processesWith(`${MARK}=${id}`).map(({ pid }) => pid)
  for (const pid of left()) end(pid, 'SIGTERM')
  for (const deadline = Date.now() + GRACE_MS; left().length > 0 && Date.now() < deadline;)
    await setTimeout(50)
  for (const pid of left()) end(pid, 'SIGKILL')
}

function end(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has just ended by itself.
  }
}
