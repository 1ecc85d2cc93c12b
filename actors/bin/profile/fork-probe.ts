import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ENTRY = fileURLToPath(new URL('../probe.js', import.meta.url))

/** A process that measures. */
export function forkProbe(debug: boolean): ChildProcess {
  return fork(ENTRY, [], {
    stdio: ['ignore', 'ignore', debug ? 'inherit' : 'ignore', 'ipc'],
    serialization: 'json',
  })
}
