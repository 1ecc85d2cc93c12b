import { z } from 'zod'
import { brokerOptions } from '../../../config/broker-options.js'
import { connectOptions } from '../../../config/connect-options.js'
import { busOpener, defined, openCluster } from '../../../config/connect.js'
import { MillraceError } from '../../../core/errors.js'
import { defineOptions, type Options, parseOptions } from '../../../core/options.js'
import { defineCommand } from '../cli/command.js'
import { startBrokerFaults } from '../faults/broker-faults.js'
import { faultOption } from '../faults/fault-option.js'
import { KeptProcesses } from '../cli/kept-processes.js'
import { OwnBroker, startMembers } from '../cli/local-cluster.js'
import { findPlaces, workerCount, workerOption } from '../cli/places.js'
import { type Session } from '../cli/session.js'
import { type JournalOptions, journalOptions } from '../../journal/index.js'
import { storeOptions } from '../../model-store/index.js'
import { OwnRun } from '../detached/own-run.js'
import { startDetached } from '../detached/start-detached.js'
import { StateFolder } from '../detached/state-folder.js'
import { refuseAlike, WatchedModel } from '../up/watched-model.js'
import { usersOf } from './broker.js'
import { sensorTopics, usage } from './ingress.js'

export const stateOption = defineOptions({
  stateDir: {
    check: z.string().min(1),
    value: 'FOLDER',
    doc: 'Where is written down what runs in the background, with its log; left out, `millrace` in `XDG_STATE_HOME` or `~/.local/state`.',
  },
})

const options = defineOptions({
  ...brokerOptions,
  root: connectOptions.root,
  ...workerOption,
  ...faultOption,
  detach: {
    check: z.boolean(),
    default: false,
    doc: 'Run it in the background, where closing the terminal does not end it; `millrace down` does.',
  },
  ...stateOption,
  watch: {
    check: z.preprocess(
      value => (typeof value === 'string' ? [value] : value),
      z.array(z.string().min(1)).max(1_000),
    ),
    value: 'MODEL...',
    doc: 'ONNX files that are deployed under their names, and again whenever they have changed.',
  },
  cacheLimitMib: storeOptions.cacheLimitMib,
  ...journalOptions,
})

export const upCommand = defineCommand({
  name: 'up',
  summary: 'Run a broker, a supervisor, workers and the ingress for sensors on this machine until stopped.',
  options,
  async run(session, given) {
    refuseAlike(given.watch ?? [])
    const state = new StateFolder(given.stateDir)
    const own = given.detach ? OwnRun.take(session, state) : undefined
    if (given.detach && own === undefined) return detach(session, state, given)
    await serve(session, given, own)
    await session.stopped()
  },
})

async function serve(
  session: Session,
  given: Options<typeof options>,
  own: OwnRun | undefined,
): Promise<void> {
  const { port: wanted, root } = given
  const places = await findPlaces()
  const workers = workerCount(given.workers, places)
  // Workers in other devices do not reach what listens on loopback.
  const host = places?.dispatcher.address ?? given.host
  const users = usersOf(given)
  const [user] = users
  const started = await OwnBroker.start(session, { host, port: wanted, users })
  const broker = started.url
  const port = Number(new URL(broker).port)
  const record = await own?.settle(port, broker, workers)
  const connection = ['--root', root, ...(user === undefined ? [] : ['--username', user.name])]
  const { cacheLimitMib, allowFaults } = given
  const [username, password] = [user?.name, user?.password]
  if (allowFaults) await startBrokerFaults(session, { broker: started, root, username, password })
  const members = { broker, workers, places, password, connection, cacheLimitMib, allowFaults }
  await startMembers(session, { ...members, keep: true, folder: own?.parts })
  await startIngress(session, ['--broker', broker, ...connection, ...journalWords(given)], password)
  const watched = await openWatched(session, given, { broker, root, username, password })
  const stop = own === undefined ? '; stop with Ctrl-C' : ''
  const text = `broker on ${broker}, a supervisor and ${workers} workers${stop}\n${usage(root)}`
  session.print(text, { broker, workers, ...sensorTopics(root) })
  if (record === undefined) session.announce({ url: broker })
  else own?.announce(record)
  for (const model of watched) void model.follow()
}

/** The models that it is to deploy, with a connection for that. */
async function openWatched(
  session: Session,
  { watch = [] }: Options<typeof options>,
  {
    broker,
    ...about
  }: { broker: string; root: string; username: string | undefined; password: string | undefined },
): Promise<WatchedModel[]> {
  if (watch.length === 0) return []
  const connection = parseOptions(connectOptions, defined(about), 'up')
  const cluster = await openCluster(busOpener(broker, connection), connection, session.cleanup)
  return watch.map(file => new WatchedModel(session, cluster, file))
}

/** The journal is the ingress's: one process has it. */
function journalWords({ journal, journalLimitMib, journalSync }: JournalOptions): string[] {
  if (journal === undefined) return []
  const sync = journalSync ? ['--journal-sync'] : []
  return ['--journal', journal, '--journal-limit-mib', String(journalLimitMib), ...sync]
}

async function startIngress(
  session: Session,
  connection: readonly string[],
  password: string | undefined,
): Promise<void> {
  const secret = password === undefined ? {} : { MILLRACE_PASSWORD: password }
  const kept = new KeptProcesses(session, secret)
  session.cleanup.defer('stopping the ingress', () => kept.stop())
  const args = ['ingress', ...connection, ...(session.debug ? ['--debug'] : [])]
  await session.untilStopped(kept.start({ args, enter: [] }))
}

async function detach(session: Session, state: StateFolder, given: Options<typeof options>): Promise<void> {
  if ((await findPlaces()) !== undefined) {
    throw new MillraceError('OPTION_INVALID', '--detach: an emulated cluster ends with the command in it')
  }
  const { root } = given
  const { pid, broker, port, workers, log } = await startDetached(session, state, given.port)
  const stateDir = given.stateDir === undefined ? '' : ` --state-dir ${shellWord(state.path)}`
  const stop = `millrace down --port ${port}${stateDir}`
  const what = `broker on ${broker}, a supervisor and ${workers} workers, in the background`
  const text = [what, usage(root), `process ${pid}, log in ${log}`, `stop with: ${stop}`]
  session.print(text.join('\n'), { broker, workers, ...sensorTopics(root), pid, port, log, stop })
}

function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
