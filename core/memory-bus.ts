import { type Bus } from './bus.js'
import { MillraceError } from './errors.js'
import {
  MemoryBus,
  type MemoryBusOptions,
  type MemoryConnection,
  type MemoryMessage,
} from './memory-client.js'
import { matchesFilter } from './topic-filter.js'

/** Retained values; above, the oldest go (promise 8). */
const MOST_RETAINED = 10_000

/**
 * A broker in memory, for actors in one process and for tests. Everything that its clients ask is done in the order in
 * which they ask it, on the next turn of the event loop. How much can wait is bounded by each client.
 */
export class MemoryBroker {
  private readonly connections = new Map<string, Connection>()
  private readonly retained = new Map<string, Uint8Array<ArrayBuffer>>()
  /** Buses that come back when they can. */
  private readonly absent = new Set<MemoryBus>()
  private tasks: (() => void)[] = []
  private running = true

  /**
   * @returns a bus; the older connection of the same client id is cut
   * @throws BROKER_UNREACHABLE: the broker is stopped
   */
  async connect(options: MemoryBusOptions): Promise<Bus> {
    if (!this.running) throw unreachable()
    const bus = new MemoryBus(options)
    await new Promise<void>(resolve => this.soon(resolve))
    if (!this.running) throw unreachable()
    this.admit(bus)
    return bus
  }

  /**
   * Breaks a client's connection as a pulled cable does: its will is published, and it connects anew on the next turn
   * unless it was opened with `reconnect: false`.
   * @throws BUS_DISCONNECTED: no client of this id is connected
   */
  cut(clientId: string): void {
    const connection = this.connections.get(clientId)
    if (connection === undefined) {
      throw new MillraceError('BUS_DISCONNECTED', `no client '${clientId}' is connected`)
    }
    this.sever(connection)
  }

  /** Cuts all connections and forgets all retained values. Nobody can connect until `start`. */
  stop(): void {
    this.running = false
    this.retained.clear()
    for (const connection of [...this.connections.values()]) this.sever(connection)
  }

  /** Takes connections again; clients that lost theirs come back. */
  start(): void {
    this.running = true
    for (const bus of this.absent) this.soon(() => this.readmit(bus))
  }

  /** Does it after all that is under way. */
  soon(task: () => void): void {
    if (this.tasks.length === 0) setImmediate(() => this.turn())
    this.tasks.push(task)
  }

  /** Gives a message to those who subscribe, and keeps it if that was asked. */
  route({ topic, payload, retain }: MemoryMessage): void {
    if (retain) this.keep(topic, payload)
    for (const connection of [...this.connections.values()]) connection.offer(topic, payload)
  }

  /** The retained values that `filter` matches, the oldest first. */
  matching(filter: string): [string, Uint8Array<ArrayBuffer>][] {
    return [...this.retained].filter(([topic]) => matchesFilter(filter, topic))
  }

  leave(connection: Connection): void {
    const { clientId } = connection.bus
    if (this.connections.get(clientId) === connection) this.connections.delete(clientId)
  }

  private turn(): void {
    const tasks = this.tasks
    this.tasks = []
    for (const task of tasks) task()
  }

  private keep(topic: string, payload: Uint8Array<ArrayBuffer>): void {
    this.retained.delete(topic)
    if (payload.byteLength === 0) return
    this.retained.set(topic, payload)
    const [oldest] = this.retained.keys()
    if (this.retained.size > MOST_RETAINED && oldest !== undefined) this.retained.delete(oldest)
  }

  private admit(bus: MemoryBus): void {
    const older = this.connections.get(bus.clientId)
    if (older !== undefined) this.sever(older) // [MQTT-3.1.4-2]
    const connection = new Connection(this, bus)
    this.connections.set(bus.clientId, connection)
    bus.connected(connection)
  }

  private readmit(bus: MemoryBus): void {
    if (this.running && this.absent.delete(bus) && !bus.isClosed) this.admit(bus)
  }

  private sever(connection: Connection): void {
    const { bus } = connection
    connection.up = false
    this.leave(connection)
    bus.lost()
    const { will } = bus
    if (will !== undefined && this.running) {
      const message = { topic: will.topic, payload: new Uint8Array(will.payload), retain: false }
      this.soon(() => this.route(message))
    }
    if (!bus.reconnects) return
    this.absent.add(bus)
    this.soon(() => this.readmit(bus))
  }
}

/** The broker's side of a connection. */
class Connection implements MemoryConnection {
  up = true
  private readonly filters = new Set<string>()

  constructor(
    private readonly broker: MemoryBroker,
    readonly bus: MemoryBus,
  ) {}

  publish(message: MemoryMessage, taken: () => void): void {
    this.soon(() => {
      this.broker.route(message)
      taken()
    })
  }

  subscribe(filter: string, done: () => void): void {
    this.soon(() => {
      this.filters.add(filter)
      done()
      for (const [topic, payload] of this.broker.matching(filter)) this.give(topic, payload, true)
    })
  }

  unsubscribe(filter: string, done: () => void): void {
    this.soon(() => {
      this.filters.delete(filter)
      done()
    })
  }

  end(done: () => void): void {
    this.soon(() => {
      this.up = false
      this.broker.leave(this)
      done()
    })
  }

  offer(topic: string, payload: Uint8Array<ArrayBuffer>): void {
    for (const filter of this.filters) {
      if (matchesFilter(filter, topic)) return this.give(topic, payload, false)
    }
  }

  private give(topic: string, payload: Uint8Array<ArrayBuffer>, retained: boolean): void {
    // Each receiver may give its bytes away.
    if (this.up) this.bus.receive(topic, new Uint8Array(payload), retained)
  }

  private soon(task: () => void): void {
    this.broker.soon(() => {
      if (this.up) task()
    })
  }
}

function unreachable(): MillraceError {
  return new MillraceError('BROKER_UNREACHABLE', 'the broker in memory is stopped')
}
