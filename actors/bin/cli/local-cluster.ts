import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { from, lastValueFrom, mergeMap } from 'rxjs'
import { temporaryFolder } from '../../../config/hosts.js'
import { type BrokerOptions, type EmbeddedBroker, startBroker } from '../../../broker/index.js'
import { MillraceError } from '../../../core/errors.js'
import { type Places } from './places.js'
import { KeptProcesses } from './kept-processes.js'
import { type Command, ProcessGroup, titleOf } from './processes.js'
import { type Session } from './session.js'

/** Starts a broker in this process. @returns its URL */
export async function startOwnBroker(
  session: Session,
  options: Parameters<typeof startBroker>[0],
): Promise<string> {
  return (await OwnBroker.start(session, options)).url
}

/** A broker in this process, in whose place another can begin. */
export class OwnBroker {
  private constructor(
    private readonly options: BrokerOptions,
    private broker: EmbeddedBroker,
  ) {}

  static async start(session: Session, options: BrokerOptions = {}): Promise<OwnBroker> {
    const own = new OwnBroker(options, await startBroker(options))
    session.cleanup.defer('closing the broker', () => own.broker.close())
    return own
  }

  get url(): string {
    return this.broker.url
  }

  /** At the same address, after `downMs`; it knows nothing of what this one kept. */
  async restart(downMs: number): Promise<void> {
    const { port } = this.broker
    await this.broker.close()
    await setTimeout(downMs)
    this.broker = await startBroker({ ...this.options, port })
  }
}

export interface MembersWish {
  readonly broker: string
  readonly workers: number
  /** Further options of the connections to the broker, as on the command line. */
  readonly connection: readonly string[]
  readonly password?: string | undefined
  /** Whether those that end are started again. */
  readonly keep: boolean
  /** Where model parts are kept, below a folder for each; left out, a temporary one. */
  readonly folder?: string | undefined
  /** For each of them, as `storeOptions` has it. */
  readonly cacheLimitMib: number
  /** Whether workers obey orders to fail. Default false. */
  readonly allowFaults?: boolean
  /** Where the workers run; left out, beside this process. */
  readonly places?: Places | undefined
}

/** More would only take the processor from each other, and then each is late. */
const STARTS_AT_ONCE = 2 * availableParallelism()

/** A supervisor and workers as processes of their own, which stop with the session. */
export async function startMembers(session: Session, wish: MembersWish): Promise<void> {
  // Theirs would stay behind if one of them were killed.
  const folder = wish.folder ?? (await temporaryFolder('cluster', session.cleanup))
  const group = membersGroup(session, wish)
  session.cleanup.defer('stopping the supervisor and the workers', () => group.stop())
  const common = ['--broker', wish.broker, ...wish.connection, ...(session.debug ? ['--debug'] : [])]
  const commandLine = (id: string, command: string) => [
    ...[command, '--id', id, '--cache-dir', join(folder, id)],
    ...(command === 'worker' && wish.allowFaults === true ? ['--allow-faults'] : []),
    ...['--cache-limit-mib', String(wish.cacheLimitMib)],
    ...common,
  ]
  const members = [
    { id: 'supervisor', command: 'supervisor', enter: [] },
    ...workerPlaces(wish).map(({ id, enter }) => ({ id, enter, command: 'worker' })),
  ]
  const started = lastValueFrom(
    from(members).pipe(
      mergeMap(
        ({ id, command, enter }) => group.start({ args: commandLine(id, command), enter }),
        STARTS_AT_ONCE,
      ),
    ),
  )
  await session.untilStopped(started)
}

function membersGroup(session: Session, { password, keep }: MembersWish): ProcessGroup | KeptProcesses {
  const env = password === undefined ? {} : { MILLRACE_PASSWORD: password }
  if (keep) return new KeptProcesses(session, env)
  const onLost = (command: Command, how: string) =>
    session.warn(new MillraceError('WORKER_LOST', `'${titleOf(command)}' ended with ${how}`))
  return new ProcessGroup({ debug: session.debug, env, onLost })
}

function workerPlaces({ workers, places }: MembersWish): { id: string; enter: readonly string[] }[] {
  return Array.from({ length: workers }, (_, i) => places?.workers[i] ?? { id: `w${i + 1}`, enter: [] })
}
