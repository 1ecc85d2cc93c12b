import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { startFaults } from '../faults/start-faults.js'
import { faultOption } from '../faults/fault-option.js'
import { localAddressTowards } from '../../../broker/index.js'
import { localRuntime, startWorker } from '../../../config/hosts.js'
import { z } from 'zod'
import { isLoopback } from '../../../core/link.js'
import { keepingMemory } from '../../machine/index.js'
import { defineOptions, type Options, pickOptions } from '../../../core/options.js'
import { ChildRuntime, type SpawnRuntime } from '../../runtime/index.js'
import { workerOptions } from '../../worker/index.js'
import { defineCommand } from '../cli/command.js'
import { brokerConnection, connectionOf, hostOf, hostOptions } from '../cli/connection.js'
import { freshId } from '../cli/names.js'
import { type InboxSettings, RUNTIME_SETTINGS, type RuntimeSettings } from '../runtime-settings.js'

const RUNTIME_ENTRY = fileURLToPath(new URL('../runtime.js', import.meta.url))
const LIMITS = { startTimeoutMs: 30_000, stopTimeoutMs: 3_000 }

const options = defineOptions({
  ...brokerConnection,
  ...hostOptions,
  ...workerOptions,
  inboxHost: {
    check: z.string().min(1),
    value: 'ADDRESS',
    doc: 'Address on which peers send frames straight here; left out, the one by which this machine reaches the broker.',
  },
  inboxPort: {
    check: z.coerce.number().int().min(0).max(65_535),
    default: 0,
    value: 'PORT',
    doc: 'Port for that; 0 for a free one.',
  },
  ...faultOption,
  isolation: {
    check: z.enum(['process', 'none']),
    default: 'process',
    value: 'process|none',
    doc: '`process` runs the partitions in a process of their own, which a crash takes down alone.',
  },
})

export const workerCommand = defineCommand({
  name: 'worker',
  summary: "Give this machine's share to a cluster.",
  options,
  async run(session, given) {
    const id = given.id ?? freshId('worker')
    const address = await localAddressTowards(given.broker, given.connectTimeoutMs)
    const runtimes = new Set<ChildProcess>()
    const faults = given.allowFaults ? await startFaults(session, id, given, runtimes) : undefined
    const broker = (await faults?.lines.through(given.broker)) ?? given.broker
    const host = { ...hostOf(id, { ...given, broker }, session), distant: !isLoopback(address) }
    const benchmark = given.benchmark && process.env['MILLRACE_BENCHMARK'] !== 'off'
    const settings = { ...pickOptions(workerOptions, given), benchmark }
    const limits = { ...LIMITS, progressMs: given.heartbeatMs, stallMs: given.runtimeStallMs }
    // First, so that it comes last: the agent stops its runtime in order, but not one that is being started.
    session.cleanup.defer('ending the runtime processes', () => Promise.all([...runtimes].map(endProcess)))
    let inbox: InboxSettings = {
      host: given.inboxHost ?? address,
      port: given.inboxPort,
      orAnother: false,
    }
    const spawn: SpawnRuntime = notes => {
      const child = forkRuntime(
        { id, inbox, faults: faults?.lasting, ...runtimeSettings(given) },
        session.debug,
        notes,
      )
      runtimes.add(child)
      child.once('exit', () => runtimes.delete(child))
      return child
    }
    const createRuntime =
      given.isolation === 'none'
        ? () => localRuntime(host, session.cleanup)
        : async () => {
            const runtime = await ChildRuntime.start(spawn, limits)
            // Peers look for the next runtime where this one was.
            if (runtime.inbox !== undefined)
              inbox = { ...inbox, port: Number(new URL(runtime.inbox).port), orAnother: true }
            return runtime
          }
    await session.untilStopped(startWorker(host, settings, session.cleanup, createRuntime))
    session.print(`worker '${id}' is at ${given.broker}`, { id, broker: given.broker })
    session.announce({ id })
    await session.stopped()
  },
})

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.kill('SIGKILL')) await once(child, 'exit')
}

function runtimeSettings(given: Options<typeof options>): Omit<RuntimeSettings, 'id' | 'inbox' | 'faults'> {
  return { broker: given.broker, progressMs: given.heartbeatMs, connect: { ...connectionOf(given) } }
}

function forkRuntime(settings: RuntimeSettings, debug: boolean, notes: number): ChildProcess {
  return fork(RUNTIME_ENTRY, [], {
    stdio: ['ignore', 'ignore', debug ? 'inherit' : 'ignore', 'ipc', notes],
    env: { ...keepingMemory(process.env), [RUNTIME_SETTINGS]: JSON.stringify(settings) },
    serialization: 'json',
    detached: true,
  })
}
