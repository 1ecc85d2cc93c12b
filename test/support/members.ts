import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CliRun } from './cli.js'

/**
 * The supervisor and the workers of a cluster, each a process that can be killed and started again. A frozen runtime stays
 * frozen, unless options say otherwise.
 */
export class Members {
  private readonly runs = new Map<string, CliRun>()
  /** A supervisor that comes back finds the partitions that it had cut. */
  private readonly folder = mkdtempSync(join(tmpdir(), 'millrace-test-'))

  constructor(private readonly url: string) {}

  /**
   * @param id  begins with 'supervisor' for one
   * @param more  options of the command
   * @param place  another way to the broker, and what is in its environment
   */
  async start(
    id: string,
    more: readonly string[] = [],
    { url = this.url, env = {} }: { readonly url?: string; readonly env?: NodeJS.ProcessEnv } = {},
  ): Promise<void> {
    const command = id.startsWith('supervisor')
      ? ['supervisor', '--dead-after-ms', '2000', '--cache-dir', this.folder]
      : ['worker', '--runtime-restarts', '100', '--runtime-stall-ms', '0']
    const run = new CliRun([...command, ...more, '--id', id, '--broker', url, '--json'], env)
    this.runs.set(id, run)
    await run.firstLine()
  }

  /** @returns when the process has ended */
  async kill(id: string): Promise<void> {
    const run = this.runs.get(id)
    run?.signal('SIGKILL')
    await run?.ended
    await run?.gone()
  }

  isRunning(id: string): boolean {
    return (this.runs.get(id)?.descendants('millrace.js').length ?? 0) > 0
  }

  signalRuntime(id: string, signal: NodeJS.Signals): void {
    for (const pid of this.runs.get(id)?.descendants('runtime.js') ?? []) process.kill(pid, signal)
  }

  /** Process ids by what the process is: 'w1', or 'runtime of w1'. */
  processes(): Map<string, number> {
    const found = [...this.runs].flatMap(([id, run]) => [
      ...run.descendants('millrace.js').map(pid => [id, pid] as const),
      ...run.descendants('runtime.js').map(pid => [`runtime of ${id}`, pid] as const),
    ])
    return new Map(found)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.runs.values()].map(run => run.stop()))
    rmSync(this.folder, { recursive: true, force: true })
  }
}
