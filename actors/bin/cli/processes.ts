import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type ErrorInfo, MillraceError } from '../../../core/errors.js'

const ENTRY = fileURLToPath(new URL('../millrace.js', import.meta.url))
/** The words that run a command of this very program. */
export function ownCommand(args: readonly string[]): string[] {
  return [process.execPath, ...process.execArgv, ENTRY, ...args]
}

/** Between the request to stop and the kill. */
const GRACE_MS = 8_000
const START_TIMEOUT_MS = 60_000

type ChildMessage = { readonly type: 'ready' } | { readonly type: 'failed'; readonly error: ErrorInfo }

/** A command of this command line that runs, or ran, as a process of its own. */
export interface Command {
  /** Command and options. */
  readonly args: readonly string[]
  /** Words that, put before a command, run it in another place with the same process id and open files. */
  readonly enter: readonly string[]
}

export interface GroupOptions {
  /** Lets the processes write their log to this one's stderr. */
  readonly debug: boolean
  readonly env: NodeJS.ProcessEnv
  /** Told of a process that ends though nobody stopped it, and of the last error that it named. */
  readonly onLost: (command: Command, how: string, error: MillraceError | undefined) => void
}

/** Commands of this command line that run as processes of their own; each stops by itself when this process is gone. */
export class ProcessGroup {
  private readonly members = new Set<ChildProcess>()
  private stopping = false

  constructor(private readonly options: GroupOptions) {}

  /**
   * Resolves when the command says that it is up.
   * @throws STOPPED; START_TIMEOUT; what the command failed with before it was up; INTERNAL: it did not say
   */
  async start(command: Command): Promise<void> {
    const { args, enter } = command
    if (this.stopping) throw new MillraceError('STOPPED', 'the processes are being stopped')
    const { debug, env, onLost } = this.options
    const [program = '', ...words] = [...enter, ...ownCommand(args)]
    const child = spawn(program, words, {
      stdio: ['ignore', 'ignore', debug ? 'inherit' : 'ignore', 'ipc'],
      env: { ...process.env, ...env },
      // A terminal's Ctrl-C goes to the whole group; only this process is to act on it, and stops the others in order.
      detached: true,
    })
    const exited = new Promise<string>(resolve => {
      child.once('exit', (code, signal) => resolve(signal ?? `exit status ${code}`))
    })
    this.members.add(child)
    void exited.then(() => this.members.delete(child))
    let failure: MillraceError | undefined
    child.on('message', (message: ChildMessage) => {
      if (message.type === 'failed') failure = MillraceError.fromInfo(message.error)
    })
    await whenReady(child, titleOf(command), START_TIMEOUT_MS)
    void exited.then(how => {
      if (!this.stopping) onLost(command, how, failure)
    })
  }

  /** Asks all to stop, and kills those that do not. Idempotent. */
  async stop(): Promise<void> {
    this.stopping = true
    await Promise.all([...this.members].map(stopChild))
  }
}

/** Asks a process to stop, and kills it if it does not in time. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  await exited
  clearTimeout(timer)
}

/** As it is called in messages: with its name, if it has one. */
export function titleOf({ args }: Command): string {
  return ['millrace', ...args.slice(0, args[1] === '--id' ? 3 : 1)].join(' ')
}

/**
 * @returns what a command told with the news that it is up
 * @throws START_TIMEOUT; what the command failed with before it was up; INTERNAL: it did not say
 */
export function whenReady(child: ChildProcess, what: string, limitMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (error?: MillraceError, details?: unknown) => {
      clearTimeout(timer)
      if (error === undefined) resolve(details)
      else reject(error)
    }
    const fail = (message: string) => settle(new MillraceError('INTERNAL', message))
    const late = new MillraceError('START_TIMEOUT', `'${what}' was not up in ${limitMs} ms`)
    const timer = setTimeout(() => settle(late), limitMs)
    child.once('error', error => fail(`'${what}' could not be started: ${error.message}`))
    child.once('exit', (code, signal) => {
      const end = () => fail(`'${what}' ended with ${signal ?? code} before it was up`)
      // What it said last may still be on its way.
      if (child.connected) child.once('disconnect', end)
      else end()
    })
    child.once('message', (message: ChildMessage) =>
      settle(message.type === 'failed' ? MillraceError.fromInfo(message.error) : undefined, message),
    )
  })
}
