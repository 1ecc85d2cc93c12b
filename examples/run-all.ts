import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const numbered = (folder: string) => readdirSync(folder).filter(name => /^\d\d-/.test(name))
const examples = [...numbered(FOLDER), ...numbered(`${FOLDER}faults`).map(name => `faults/${name}`)]
const wanted = process.argv.slice(2)
const unknown = wanted.find(start => !examples.some(name => name.startsWith(start)))
if (unknown !== undefined) {
  console.error(`no example begins with '${unknown}'; there are ${examples.join(', ')}`)
  process.exit(2)
}
const chosen = examples.filter(name => wanted.length === 0 || wanted.some(start => name.startsWith(start)))
for (const name of chosen.sort()) {
  const startedAt = performance.now()
  const { status, output } = await run(name)
  const interrupted = status === null || status > 128
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  const took = `${seconds} s${interrupted ? ', interrupted' : ''}`
  console.log(status === 0 ? `ok ${name} (${took})` : `not ok ${name} (${took})\n${output}`)
  // An example that was interrupted has cleaned up by now; those that would follow are not wanted.
  if (interrupted) process.exit(1)
  if (status !== 0) process.exitCode = 1
}

/** Runs an example to its end. @returns its exit status, null where a signal ended it, and all that it printed */
async function run(name: string): Promise<{ status: number | null; output: string }> {
  const child = spawn(process.execPath, [`${FOLDER}${name}/main.js`], { stdio: ['ignore', 'pipe', 'pipe'] })
  const forward = (signal: NodeJS.Signals) => void child.kill(signal)
  for (const signal of SIGNALS) process.on(signal, forward)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  }
  const status = await new Promise<number | null>(resolve => child.once('close', resolve))
  for (const signal of SIGNALS) process.off(signal, forward)
  return { status, output }
}
