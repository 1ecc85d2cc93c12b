import { CliRun } from '../support/cli.js'

export interface RunLimits {
  readonly signal: AbortSignal
  readonly limitMs: number
  readonly env?: NodeJS.ProcessEnv
  /** Given what it writes on its standard error, line by line. */
  readonly say?: (line: string) => void
}

const LOOK_MS = 500

/** Runs a command of this program, or another program of this checkout, to its end. @returns what it printed */
export async function run(args: readonly string[], limits: RunLimits, entry?: string): Promise<string> {
  const { signal, limitMs, env, say } = limits
  const stop = AbortSignal.any([signal, AbortSignal.timeout(limitMs)])
  const command = new CliRun(entry === undefined ? args : args.slice(1), env, entry)
  const end = () => command.signal('SIGTERM')
  stop.addEventListener('abort', end, { once: true })
  if (stop.aborted) end()
  let said = 0
  const looking = setInterval(() => {
    const lines = command.stderr.slice(said).split('\n').slice(0, -1)
    for (const line of lines) {
      said += line.length + 1
      say?.(line)
    }
  }, LOOK_MS)
  const { status, stdout, stderr } = await command.ended
  clearInterval(looking)
  stop.removeEventListener('abort', end)
  if (status === 0) return stdout
  throw new Error(`${args.join(' ')} ended with ${stop.aborted ? 'a stop' : status}:\n${stderr}`)
}
