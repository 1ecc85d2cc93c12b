import { connectOptions } from '../../config/connect-options.js'
import { busOpener } from '../../config/connect.js'
import { localRuntime, type RuntimeDisturbance } from '../../config/hosts.js'
import { InboxBroker, Lines } from '../../broker/index.js'
import { Cleanup } from '../../core/cleanup.js'
import { MillraceError } from '../../core/errors.js'
import { type ActorFault } from '../../core/faults.js'
import { parseOptions } from '../../core/options.js'
import { topicsOf } from '../../core/topics.js'
import { type RuntimeFault } from './faults/worker-faults.js'
import { ActorFaults } from '../faults/index.js'
import { collectSeldom, compileEarly } from '../machine/index.js'
import { type InboxSettings, RUNTIME_SETTINGS, type RuntimeSettings } from './runtime-settings.js'
import {
  type AgentChannel,
  NOTES_FD,
  type RuntimeReply,
  type RuntimeRequest,
  serveRuntime,
  threadNotes,
} from '../runtime/index.js'

/** The runtime process of a worker: hosts actors for the agent that started it. */
const channel: AgentChannel = {
  send: reply => void process.send?.(reply satisfies RuntimeReply, undefined, undefined, () => undefined),
  onRequest: handler =>
    void process.on('message', (request: RuntimeRequest | RuntimeFault) => {
      if (request.type !== 'fault') handler(request)
    }),
  note: threadNotes(NOTES_FD),
}
const cleanup = new Cleanup()
collectSeldom()
compileEarly()
// The agent alone ends a runtime: with a message, by going away, or with a kill.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
// An orderly exit would end the threads, and a thread that ends during an inference aborts the process with a core dump.
const die = () => process.kill(process.pid, 'SIGKILL')
process.on('disconnect', die)
// The agent may have gone while this file was being loaded.
if (!process.connected) die()

try {
  const { id, broker, progressMs, inbox, connect, faults } = JSON.parse(
    process.env[RUNTIME_SETTINGS] ?? '{}',
  ) as RuntimeSettings
  const options = parseOptions(connectOptions, connect, 'runtime')
  const onTrouble = (error: MillraceError) => channel.send({ type: 'trouble', error: error.toInfo() })
  const { root, sendTimeoutMs } = options
  const disturbance = faults === undefined ? undefined : suffer(faults)
  const dialled = (await disturbance?.lines.through(broker)) ?? broker
  const host = { id, open: busOpener(dialled, options), topics: topicsOf(root), sendTimeoutMs, onTrouble }
  const inboxBroker = await startInbox(inbox)
  cleanup.defer('closing the inbox', () => inboxBroker.close())
  await serveRuntime(await localRuntime(host, cleanup, inboxBroker, disturbance), channel, progressMs)
  await cleanup.run()
} catch (error) {
  const reply: RuntimeReply = {
    type: 'offline',
    error: MillraceError.from(error, 'RUNTIME_CRASHED').toInfo(),
  }
  await new Promise(resolve => process.send?.(reply, undefined, undefined, resolve))
}
process.exit(0)

/** Peers that know the port go through the cluster's broker where it has to be another. */
async function startInbox({ orAnother, ...address }: InboxSettings): Promise<InboxBroker> {
  try {
    return await InboxBroker.start(address)
  } catch (error) {
    if (!orAnother) throw error
    return InboxBroker.start({ ...address, port: 0 })
  }
}

/** Lets the actors and connections of this process suffer what the agent says, beside these. */
function suffer(faults: readonly ActorFault[]): RuntimeDisturbance {
  const actors = new ActorFaults(die)
  const lines = new Lines()
  for (const fault of faults) actors.apply(fault)
  process.on('message', (message: RuntimeRequest | RuntimeFault) => {
    if (message.type !== 'fault') return
    const { fault } = message
    if (fault.type !== 'line') actors.apply(fault)
    else if (fault.url !== undefined) void lines.break(fault.url, fault.state, fault.ms)
  })
  return { actors, lines }
}
