import { createServer, connect as dial } from 'node:net'
import { once } from 'node:events'
import { Stage } from '../../../actors/stage/index.js'
import { connectBus, InboxBroker, PeerLink } from '../../../broker/index.js'
import { type Bus } from '../../../core/bus.js'
import { type Activation } from '../../../core/control/index.js'
import { type LinkAddress } from '../../../core/link.js'
import { MemoryBroker } from '../../../core/memory-bus.js'
import { SpareMemory } from '../../../core/spare-memory.js'
import { topicsOf } from '../../../core/topics.js'
import { portOf } from '../../support/ports.js'
import { readLengths, writeWithLength } from './tcp.js'

export const WAYS = ['tcp', 'peer', 'broker', 'mosquitto'] as const
export type Way = (typeof WAYS)[number]

const LIMIT_MS = 20_000
const TOPIC = 'bench/links'
const CREDENTIALS = { username: 'bench/links', password: 'bench' }
/** More than are on their way at once: nobody is held. */
const INBOX_FRAMES = 64

/** Where the receiver of a way is: the URL of its inbox, of the broker between, or of its socket. */
export type Place = string

/**
 * Takes messages in as a worker does, until a session's thread would get them; over TCP, until they are whole.
 * @param broker  of the ways that lead through one
 */
export async function receive(
  way: Way,
  broker: string | undefined,
  arrived: (message: Uint8Array) => void,
): Promise<Place> {
  if (way === 'tcp') {
    const memory = new SpareMemory()
    const taken = reusing(memory, arrived)
    const server = createServer({ noDelay: true }, socket => readLengths(socket, memory, taken))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return `tcp://127.0.0.1:${portOf(server)}`
  }
  const inbox = way === 'peer' ? await InboxBroker.start({ host: '127.0.0.1', port: 0 }) : undefined
  const place = inbox?.url ?? broker ?? ''
  const link = new PeerLink({
    worker: 'w2',
    bus: await busFor(way, place, 'w2'),
    inbox,
    sendTimeoutMs: LIMIT_MS,
  })
  await Stage.activate(activationFor(addressOf(way, place)), '', {
    link,
    topics: topicsOf('bench'),
    sessions: { open: () => Promise.resolve(handsBack(reusing(inbox?.memory, arrived))) },
    onTrouble: error => {
      throw error
    },
  })
  return place
}

/** The way to what `receive` opened. */
export async function sendTo(way: Way, place: Place): Promise<(message: Uint8Array) => Promise<void>> {
  if (way === 'tcp') {
    const { hostname, port } = new URL(place)
    const socket = dial({ host: hostname, port: Number(port), noDelay: true })
    await once(socket, 'connect')
    return message => writeWithLength(socket, message)
  }
  const link = new PeerLink({ worker: 'w1', bus: await busFor(way, place, 'w1'), sendTimeoutMs: LIMIT_MS })
  const outlet = link.open(addressOf(way, place))
  await outlet.settled
  return message => outlet.send(message)
}

function busFor(way: Way, place: Place, clientId: string): Promise<Bus> {
  return way === 'peer' ? new MemoryBroker().connect({ clientId }) : connectBus(place, { clientId })
}

function addressOf(way: Way, place: Place): LinkAddress {
  const peer = { url: place, ...CREDENTIALS, only: true }
  return { topic: TOPIC, worker: 'w2', ...(way === 'peer' ? { peer } : {}) }
}

/** What the stage makes goes nowhere: to an actor of its own runtime that is not there. */
function activationFor(inbox: LinkAddress): Activation {
  return {
    ...{ pipeline: 'bench', epoch: 1, stage: 0, replica: 0, term: 0, lz4: 'never' },
    ...{ part: { sha256: '', bytes: 0 }, receives: ['x'], carries: [], sends: ['x'] },
    ...{ inbox, next: [{ topic: 'bench/nowhere', worker: 'w2', weight: 1 }], inboxFrames: INBOX_FRAMES },
  }
}

/** As in a runtime that sends as much as it takes in: the memory of a message comes back when the next one is there. */
function reusing(memory: SpareMemory | undefined, arrived: (message: Uint8Array) => void) {
  let before: Uint8Array | undefined
  return (message: Uint8Array) => {
    arrived(message)
    if (before !== undefined) memory?.give(before.buffer)
    before = message
  }
}

/** A session that takes no time. */
function handsBack(arrived: (message: Uint8Array) => void) {
  return {
    process: (message: Uint8Array) => {
      arrived(message)
      return Promise.resolve({ message: new Uint8Array(0), failed: false, runMs: 0 })
    },
    rehearse: () => Promise.resolve(0),
    close: () => Promise.resolve(),
  }
}
