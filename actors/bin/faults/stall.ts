import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** Stops the processes that it is told, and wakes them: one that has stopped itself cannot. */
const PROGRAM = `
const [ms, ...pids] = process.argv.slice(1).map(Number)
const signal = name => { for (const pid of pids) try { process.kill(pid, name) } catch {} }
process.on('disconnect', () => undefined)
process.once('message', () => {
  signal('SIGSTOP')
  setTimeout(() => { signal('SIGCONT'); process.exit() }, ms)
})
process.send('ready')
`

/** @returns what stops the processes, for so long, as soon as it is called */
export async function stall(pids: readonly number[], ms: number): Promise<() => void> {
  const args = ['-e', PROGRAM, String(ms), ...pids.map(String)]
  const helper = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    detached: true,
  })
  await Promise.race([once(helper, 'message'), failure(helper)])
  return () => {
    helper.send('go')
    helper.unref()
    helper.channel?.unref()
  }
}

async function failure(helper: ChildProcess): Promise<never> {
  await once(helper, 'exit')
  throw new Error('the process that was to stop others ended')
}
