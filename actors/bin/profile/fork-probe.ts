import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { keepingMemory } from '../../machine/index.js'

const ENTRY = fileURLToPath(new URL('../probe.js', import.meta.url))

/** A process that measures, with memory as a runtime has it. */
export function forkProbe(debug: boolean): ChildProcess {
  return fork(ENTRY, [], {
    stdio: ['ignore', 'ignore', debug ? 'inherit' : 'ignore', 'ipc'],
    env: keepingMemory(process.env),
    serialization: 'json',
  })
}
