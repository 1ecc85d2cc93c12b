import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inCheckout } from './index.js'
import { processesWith } from './processes.js'

const MARK = 'MILLRACE_TEST_MARK'
const GONE_LIMIT_MS = 60_000
const ENTRY = inCheckout('dist/actors/bin/millrace.js')

export interface Ended {
  /** Exit status, or null where a signal ended it. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  /** Command lines of processes that it left behind. */
  readonly processes: readonly string[]
  /** Files and folders that it left in the folder for temporary files. */
  readonly files: readonly string[]
}

/** One run of the command line, or of another program, whose descendants and temporary files can be told from all others. */
export class CliRun {
  stdout = ''
  stderr = ''
  private readonly mark = randomUUID()
  private readonly folder = mkdtempSync(join(tmpdir(), 'millrace-test-'))
  private readonly child: ChildProcess
  /** Settles when the command has ended and its output is read. */
  readonly ended: Promise<Ended>

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}, entry = ENTRY) {
    this.child = spawn(process.execPath, [entry, ...args], {
      // With a channel to it, the command notices when the test is gone, and stops.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...env, [MARK]: this.mark, TMPDIR: this.folder },
    })
    this.child.stdout?.on('data', (data: Buffer) => (this.stdout += data.toString()))
    this.child.stderr?.on('data', (data: Buffer) => (this.stderr += data.toString()))
    this.ended = this.end()
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  /** The first line of standard output, for a command that goes on; rejects if it ends without one. */
  async firstLine(): Promise<string> {
    const ended = this.ended.then(({ stderr }): never => {
      throw new Error(`ended before it was up: ${stderr}`)
    })
    while (!this.stdout.includes('\n')) {
      await Promise.race([once(this.child.stdout ?? this.child, 'data'), ended])
    }
    return this.stdout.slice(0, this.stdout.indexOf('\n'))
  }

  /** Process ids of what it started, by a part of their command lines. */
  descendants(part: string): number[] {
    return this.marked().flatMap(({ pid, command }) => (command.includes(part) ? [pid] : []))
  }

  /** Resolves when nothing that it started runs any more. */
  async gone(): Promise<void> {
    const deadline = Date.now() + GONE_LIMIT_MS
    while (this.marked().length > 0) {
      if (Date.now() > deadline) throw new Error(`still there: ${this.descendants('').join(', ')}`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }

  /** Stops it as a user would. */
  async stop(): Promise<Ended> {
    this.signal('SIGINT')
    return this.ended
  }

  private marked(): { pid: number; command: string }[] {
    return processesWith(`${MARK}=${this.mark}`)
  }

  private async end(): Promise<Ended> {
    const [status] = (await once(this.child, 'close')) as [number | null]
    const { stdout, stderr } = this
    const files = readdirSync(this.folder)
    const processes = this.marked().map(({ command }) => command)
    rmSync(this.folder, { recursive: true })
    return { status, stdout, stderr, processes, files }
  }
}

/** Runs a command to its end. */
export function millrace(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new CliRun(args, env).ended
}
