import { runInThisContext } from 'node:vm'
import { compileEarly } from '../../actors/machine/index.js'

/**
 * A process that prints how many calls of a small function it takes until V8 has compiled it with all its optimisations:
 * `node --allow-natives-syntax --no-concurrent-recompilation compiled-after.js usual|early`. The second flag makes V8 compile
 * in this thread, at once: how busy the machine is makes no difference. It has no effect once the process runs.
 */
const MOST_CALLS = 100_000
/** Of what V8 tells of a function. */
const OPTIMISED = 1 << 4

if (process.argv[2] === 'early') compileEarly()
const statusOf = runInThisContext('(f => %GetOptimizationStatus(f))') as (f: () => number) => number

let calls = 0
while (calls < MOST_CALLS && (statusOf(work) & OPTIMISED) === 0) {
  work()
  calls++
  // A loop that never ends would be compiled itself, with the function in it.
  await new Promise(resolve => setImmediate(resolve))
}
console.log(calls)

function work(): number {
  let sum = 0
  for (let i = 0; i < 2; i++) sum += (i * i) % 7
  return sum
}
