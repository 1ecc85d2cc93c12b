import { type ChildProcess, spawn } from 'node:child_process'
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

interface Member {
  readonly child: ChildProcess
  /** Settles when the process has ended, with how it did. */
  readonly exited: Promise<string>
}

export interface GroupOptions {
  /** Lets the processes write their log to this one's stderr. */
  readonly debug: boolean
  readonly env: NodeJS.ProcessEnv
  /** Told of a process that ends though nobody stopped it. */
  readonly onLost: (command: string, how: string) => void
}

/** Commands of this command line that run as processes of their own; each stops by itself when this process is gone. */
export class ProcessGroup {
  private readonly members: Member[] = []
  private stopping = false

  constructor(private readonly options: GroupOptions) {}

  /**
   * Resolves when the command says that it is up.
   * @param args  command and options
   * @param enter  words that, put before a command, run it in another place with the same process id and open files
   * @throws STOPPED; START_TIMEOUT; what the command failed with before it was up; INTERNAL: it did not say
   */
  async start(args: readonly string[], enter: readonly string[] = []): Promise<void> {
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
    this.members.push({ child, exited })
    await ready(child, `millrace ${args[0]}`)
    void exited.then(how => {
      if (!this.stopping) onLost(`millrace ${args.slice(0, 3).join(' ')}`, how)
    })
  }

  /** Asks all to stop, and kills those that do not. Idempotent. */
  async stop(): Promise<void> {
    this.stopping = true
    await Promise.all(this.members.map(stopMember))
  }
}

async function stopMember({ child, exited }: Member): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  await exited
  clearTimeout(timer)
}

function ready(child: ChildProcess, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: MillraceError) => {
      clearTimeout(timer)
      if (error === undefined) resolve()
      else reject(error)
    }
    const fail = (message: string) => settle(new MillraceError('INTERNAL', message))
    const late = new MillraceError('START_TIMEOUT', `'${what}' was not up in ${START_TIMEOUT_MS} ms`)
    const timer = setTimeout(() => settle(late), START_TIMEOUT_MS)
    child.once('error', error => fail(`'${what}' could not be started: ${error.message}`))
    child.once('exit', (code, signal) => fail(`'${what}' ended with ${signal ?? code} before it was up`))
    child.once('message', (message: ChildMessage) =>
      settle(message.type === 'failed' ? MillraceError.fromInfo(message.error) : undefined),
    )
  })
}
