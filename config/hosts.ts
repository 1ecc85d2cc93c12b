import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Journal } from '../actors/journal/index.js'
import { Ingress, type IngressOptions } from '../actors/ingress/index.js'
import { MIB, PartStore, storeOptions } from '../actors/model-store/index.js'
import { type ActorFaults } from '../actors/faults/index.js'
import { LocalRuntime, type Runtime } from '../actors/runtime/index.js'
import {
  leaderClientId,
  leaderWill,
  Supervisor,
  type SupervisorOptions,
  type SupervisorParts,
} from '../actors/supervisor/index.js'
import { deathWill, WorkerAgent, type WorkerOptions } from '../actors/worker/index.js'
import { type Cleanup } from '../core/cleanup.js'
import { type MillraceError } from '../core/errors.js'
import {
  DURABLE_ID,
  type InboxBroker,
  InboxProbes,
  type Lines,
  PATIENT_KEEPALIVE_S,
  PeerLink,
} from '../broker/index.js'
import { brokerLink } from '../core/link.js'
import { type Topics } from '../core/topics.js'
import { type ConnectionWish, type OpenBus } from './connect.js'
import { restorations } from './restorations.js'

/** What a worker or a supervisor needs of the place where it runs. */
export interface Host {
  readonly id: string
  readonly open: OpenBus
  readonly topics: Topics
  /** Where model parts are kept; left out: a folder of its own that goes when it stops. */
  readonly cacheDir?: string | undefined
  /** Most that is kept there, in MiB; left out: the default of `storeOptions`. */
  readonly cacheLimitMib?: number
  readonly sendTimeoutMs: number
  /** Whether the broker is on another machine. Default false. */
  readonly distant?: boolean | undefined
  readonly onTrouble: (error: MillraceError) => void
}

/** For sensors whose frames are to outlive the ingress. */
export interface IngressHost extends Host {
  readonly journal?: Journal | undefined
}

/** @param createRuntime  left out: the actors run in this process */
export async function startWorker(
  host: Host,
  options: WorkerOptions,
  cleanup: Cleanup,
  createRuntime: () => Promise<Runtime> = () => localRuntime(host, cleanup),
): Promise<WorkerAgent> {
  const { id, topics, onTrouble, distant = false } = host
  const store = await openStore(host, cleanup)
  const incarnation = Date.now()
  const will = deathWill(topics, id, incarnation)
  const bus = await host.open({ clientId: `millrace-worker-${id}-${incarnation}`, will })
  cleanup.defer("closing the worker's connection", () => bus.close())
  const agent = await WorkerAgent.start(
    { id, incarnation, bus, topics, store, createRuntime, distant, onTrouble },
    options,
  )
  cleanup.defer('stopping the worker', () => agent.stop())
  return agent
}

/** What a runtime that allows faults suffers them with. */
export interface RuntimeDisturbance {
  readonly actors: ActorFaults
  readonly lines: Lines
}

/**
 * A runtime in this process, with a connection of its own for frames (decision D1).
 * @param inbox  where it takes frames straight from its peers; left out: through the cluster's broker only
 */
export async function localRuntime(
  { id, open, topics, sendTimeoutMs }: Host,
  cleanup: Cleanup,
  inbox?: InboxBroker,
  disturbance?: RuntimeDisturbance,
): Promise<LocalRuntime> {
  const clientId = `millrace-runtime-${id}-${process.pid}-${Date.now()}`
  const bus = await open({ clientId, keepaliveS: PATIENT_KEEPALIVE_S, frames: true })
  cleanup.defer("closing the runtime's connection", () => bus.close())
  const lines = disturbance?.lines
  const dialled = lines === undefined ? undefined : (url: string) => lines.through(url)
  const link = new PeerLink({ worker: id, bus, inbox, sendTimeoutMs, dialled })
  return new LocalRuntime(link, topics, new InboxProbes(inbox), inbox?.url, disturbance?.actors)
}

/**
 * What a supervisor measures with, and what it knew before; what is left out it does not measure, and takes what is typical.
 */
export type SupervisorInstruments = Pick<SupervisorParts, 'spawnProbe' | 'measureSpeed' | 'memory'>

export async function startSupervisor(
  host: Host,
  options: SupervisorOptions,
  cleanup: Cleanup,
  instruments: SupervisorInstruments = {},
): Promise<Supervisor> {
  const { id, topics, onTrouble } = host
  const store = await openStore(host, cleanup)
  const bus = await host.open({
    clientId: leaderClientId(topics),
    reconnect: false,
    will: leaderWill(topics, id),
  })
  cleanup.defer("closing the supervisor's connection", () => bus.close())
  const supervisor = await Supervisor.start({ id, bus, topics, store, onTrouble, ...instruments }, options)
  cleanup.defer('stopping the supervisor', () => supervisor.stop())
  return supervisor
}

/** A sensor's client takes a message in one piece or not at all. */
const LARGEST_ANSWER_BYTES = 2 ** 20

/** Its folder of model parts is not used. */
export async function startIngress(
  host: IngressHost,
  options: IngressOptions,
  cleanup: Cleanup,
): Promise<Ingress> {
  const { topics, sendTimeoutMs, journal, onTrouble } = host
  const id = `ingress-${randomBytes(6).toString('hex')}`
  const open = async (what: string, wish: Partial<ConnectionWish> = {}) => {
    const bus = await host.open({ clientId: `millrace-${id}-${what}`, ...wish })
    cleanup.defer(`closing the ingress's connection for ${what}`, () => bus.close())
    return bus
  }
  const control = await open('control')
  const data = await open('data', { frames: true })
  const kept = journal === undefined ? {} : { clientId: `${DURABLE_ID}${journal.id}`, durable: true }
  const sensors = await open('sensors', { maxMessageBytes: LARGEST_ANSWER_BYTES, ...kept })
  const link = brokerLink(data, { sendTimeoutMs })
  const restored$ = restorations(data)
  const parts = { id, topics, control, sensors, link, restored$, onTrouble, journal }
  const ingress = await Ingress.start(parts, options)
  cleanup.defer('stopping the ingress', () => ingress.stop())
  return ingress
}

async function openStore(
  { id, cacheDir, cacheLimitMib = storeOptions.cacheLimitMib.default }: Host,
  cleanup: Cleanup,
): Promise<PartStore> {
  const folder = cacheDir ?? (await temporaryFolder(`parts-${id}`, cleanup))
  const store = await PartStore.open(folder, cacheLimitMib * MIB)
  cleanup.defer('closing the part store', () => store.close())
  return store
}

/** A folder that goes with `cleanup`. */
export async function temporaryFolder(purpose: string, cleanup: Cleanup): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `millrace-${purpose}-`))
  cleanup.defer('removing temporary files', () => rm(folder, { recursive: true, force: true }))
  return folder
}
