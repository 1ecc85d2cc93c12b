import { type ChildProcess, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { availableParallelism, constants } from 'node:os'
import { catchError, concatMap, EMPTY, from, tap } from 'rxjs'
import { z } from 'zod'
import { readClusterFile } from '../../../config/cluster-files.js'
import { type ClusterDescription } from '../../../core/cluster-file.js'
import { MillraceError } from '../../../core/errors.js'
import { defineOptions } from '../../../core/options.js'
import { defineCommand } from '../cli/command.js'
import { ownCommand } from '../cli/processes.js'
import { type Session } from '../cli/session.js'
import { changesOf, EMULATED_CLUSTER, EmulatedCluster, reportText } from '../emulator/index.js'

const options = defineOptions({
  report: {
    check: z.string().min(1),
    value: 'FILE',
    doc: 'Write what each device and link was used for to this file, as JSON.',
  },
})

/** Longer than a command of this program takes to stop everything that it started. */
const GRACE_MS = 15_000

export const emulateCommand = defineCommand({
  name: 'emulate',
  arguments: '<cluster> <command...>',
  summary:
    'Run a command (behind --) on an emulated cluster of devices, which a cluster file describes; needs Linux and root.',
  options,
  async run(session, { report }, [file = '', ...words]) {
    if (process.env[EMULATED_CLUSTER] !== undefined) {
      throw new MillraceError('EMULATOR_UNAVAILABLE', 'this runs in an emulated cluster already')
    }
    const description = await readClusterFile(file)
    warnOfCapacity(session, description)
    const creating = EmulatedCluster.create(description)
    // Also when it is stopped while the devices are being made.
    session.cleanup.defer('removing the emulated cluster', () =>
      creating.then(
        cluster => cluster.destroy(),
        () => undefined,
      ),
    )
    const cluster = await session.untilStopped(creating)
    if (!cluster.delayed) {
      warn(session, `this kernel has no netem: links have no delay instead of ${description.rttMs} ms`)
    }
    follow(session, cluster, file)
    session.status = await runIn(session, cluster, description.dispatcher, words)
    const result = await cluster.report()
    process.stderr.write(`${session.json ? JSON.stringify(result) : reportText(result)}\n`)
    if (report !== undefined) await writeFile(report, JSON.stringify(result))
  },
})

/** @returns its exit status, as a shell would give it */
async function runIn(
  session: Session,
  cluster: EmulatedCluster,
  device: string,
  words: readonly string[],
): Promise<number> {
  const [first = '', ...others] = words
  const command = first === 'millrace' ? ownCommand(others) : [first, ...others]
  const [program = '', ...args] = [...cluster.enter(device), ...command]
  const child = spawn(program, args, {
    stdio: 'inherit',
    env: { ...process.env, [EMULATED_CLUSTER]: cluster.record },
    // A terminal's Ctrl-C comes to this process alone, which then asks the command to stop, once.
    detached: true,
  })
  const ended = exitOf(child)
  void session.stopped().then(() => stop(child, ended))
  return ended
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', error => reject(MillraceError.from(error, 'EMULATOR_UNAVAILABLE')))
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    )
  })
}

async function stop(child: ChildProcess, ended: Promise<number>): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  await ended.catch(() => undefined)
  clearTimeout(timer)
}

/** While the command runs, whoever changes the cluster file changes the links and the devices. */
function follow(session: Session, cluster: EmulatedCluster, file: string): void {
  const change = async () => cluster.change(await readClusterFile(file))
  const changes = changesOf(file).pipe(
    concatMap(() =>
      from(change()).pipe(
        tap(() => session.say(`${file} was read again: devices and links are as it says now`)),
        catchError((error: unknown) => {
          session.warn(MillraceError.from(error))
          return EMPTY
        }),
      ),
    ),
  )
  const subscription = changes.subscribe({
    error: (error: unknown) => session.warn(MillraceError.from(error)),
  })
  session.cleanup.defer('looking at the cluster file', async () => subscription.unsubscribe())
}

/** Devices that together want more than the machine has take it from each other, and measure as slower than they are. */
function warnOfCapacity(session: Session, { devices }: ClusterDescription): void {
  const wanted = devices.reduce((sum, { speed, cores }) => sum + speed * cores, 0)
  const there = availableParallelism()
  if (wanted <= there) return
  warn(
    session,
    `the devices have ${wanted.toFixed(2)} cores together, and this machine ${there}: busy ones slow each other`,
  )
}

function warn(session: Session, message: string): void {
  session.warn(new MillraceError('EMULATION_INEXACT', message))
}
