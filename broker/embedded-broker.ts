import { createServer, type Server, type Socket } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import { Aedes, type AedesOptions, type Client, type PublishPacket } from 'aedes'
import { type Bus } from '../core/bus.js'
import { MillraceError } from '../core/errors.js'
import { isLoopback } from '../core/link.js'
import { parseOptions } from '../core/options.js'
import { type SpareMemory } from '../core/spare-memory.js'
import { withLimit } from '../core/wait.js'
import { type Access, accessFor, type Grant, type User } from './access.js'
import { type BoundedStore, boundedStore } from './bounded-store.js'
import { ClientStream } from './client-stream.js'
import { type BusOptions, connectStream } from './connect-bus.js'
import { HeldPublishes } from './held-publishes.js'
import { type Intake, IntakeClients } from './intake.js'
import { isAny, listen } from './listen.js'
import { type BrokerLimits, brokerLimits, type BrokerLimitsInput } from './options.js'

export interface BrokerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 1883; 0 for a free one. */
  readonly port?: number
  /** Who may connect; without any, everybody, and then only on loopback. */
  readonly users?: readonly User[]
  /** Decides instead of `users`. */
  readonly access?: Access
  /** Takes every message in, instead of passing it on to subscribers. */
  readonly intake?: Intake
  readonly limits?: BrokerLimitsInput
}

export interface BrokerMetrics {
  readonly connections: number
  readonly retainedMessages: number
  /** Of their payloads and topics. */
  readonly retainedBytes: number
  /** Since the start: retained messages that went because of the cap. */
  readonly retainedEvicted: number
  /** Messages that were left out for a client that was behind. */
  readonly dropped: number
  /** Messages of sessions, and whole sessions of absent clients, that went because of the caps. */
  readonly sessionMessagesDropped: number
  readonly sessionsEvicted: number
  /** Clients that were disconnected: frozen, too far behind, or at fault. */
  readonly clientsGivenUp: number
  /** Connections that ended before the client was known: too many, no user, or no MQTT. */
  readonly connectionsRefused: number
}

const CLOSE_LIMIT_MS = 2_000
const TCP_KEEPALIVE_MS = 15_000
/** Aedes' own limits where they are not ours: one for a stream that is full, which ours never is. */
const AEDES: AedesOptions = {
  concurrency: 100,
  drainTimeout: 2_000,
  queueLimit: 1_000,
  maxClientsIdLength: 128,
}

/** An MQTT 3.1.1 broker in this process. */
export class EmbeddedBroker {
  private readonly streams = new Set<ClientStream>()
  private readonly lost = new WeakSet<Client>()
  private readonly counts = { dropped: 0, clientsGivenUp: 0, connectionsRefused: 0 }
  private closing: Promise<void> | undefined

  private constructor(
    private readonly aedes: Aedes,
    private readonly server: Server,
    private readonly limits: BrokerLimits,
    private readonly store: BoundedStore,
    readonly host: string,
    readonly port: number,
    private readonly users: readonly User[],
    private readonly intakeMemory: SpareMemory | undefined,
  ) {
    server.on('connection', socket => this.welcome(socket))
    // Such as too many open files: without a listener it would end the process.
    server.on('error', () => void this.counts.connectionsRefused++)
    aedes.on('client', client => this.store.sessions.arrived(client))
    aedes.on('clientDisconnect', client => this.store.sessions.left(client))
    aedes.on('clientError', client => this.noteLost(client))
    aedes.on('connectionError', client => this.noteLost(client))
  }

  /**
   * @throws PORT_TAKEN; BROKER_EXPOSED: it would listen beyond loopback without users (promise 10); OPTION_INVALID: the
   *   address is none of this machine
   */
  static async start(options: BrokerOptions = {}): Promise<EmbeddedBroker> {
    const { host = '127.0.0.1', port = 1883, users = [], access = accessFor(users), intake } = options
    const limits = parseOptions(brokerLimits, options.limits ?? {}, 'the broker')
    if (users.length === 0 && options.access === undefined && !isLoopback(host)) {
      throw new MillraceError('BROKER_EXPOSED', `anybody who reaches ${host} could connect`)
    }
    const held = new HeldPublishes()
    const store = boundedStore(limits, held)
    const intakeClients = intake === undefined ? undefined : new IntakeClients(intake)
    const grants = new WeakMap<Client, Grant>()
    const publish: Handing = (packet, then) => aedes.publish(packet, then)
    const aedes: Aedes = new Aedes({
      ...AEDES,
      ...hooks({ access, grants, limits, intake, held, publish }),
      ...(intakeClients === undefined ? {} : { preConnect: intakeClients.preConnect }),
      persistence: store.persistence,
    })
    aedes.on('clientReady', client => {
      const stream = streamOf(client)
      if (stream !== undefined) intakeClients?.ready(client, stream, grants.get(client))
    })
    await aedes.listen()
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEPALIVE_MS })
    try {
      const bound = await listen(server, host, port)
      const broker = new EmbeddedBroker(aedes, server, limits, store, host, bound, users, intake?.memory)
      aedes.authorizeForward = (client, packet) => broker.forward(client, packet)
      return broker
    } catch (error) {
      aedes.close()
      throw error
    }
  }

  get url(): string {
    const local = isAny(this.host) ? '127.0.0.1' : this.host
    return `mqtt://${local.includes(':') ? `[${local}]` : local}:${this.port}`
  }

  /**
   * A connection without a socket.
   * @throws BROKER_UNREACHABLE: the broker was closed
   */
  async connect(options: BusOptions): Promise<Bus> {
    if (this.closing !== undefined)
      throw new MillraceError('BROKER_UNREACHABLE', 'the broker in this process was closed')
    const [user] = this.users
    const credentials = user === undefined ? {} : { username: user.name, password: user.password }
    const stream = () => {
      const [near, far] = duplexPair({ highWaterMark: 2 ** 20 })
      // The two ends do not tell each other of their end by themselves.
      near.once('close', () => far.destroy())
      far.once('close', () => near.destroy())
      if (this.closing === undefined) this.attach(this.streamOver(far))
      else far.destroy()
      return near
    }
    return connectStream(stream, { ...credentials, ...options })
  }

  metrics(): BrokerMetrics {
    const { retained, sessions } = this.store
    return {
      connections: this.streams.size,
      retainedMessages: retained.messages,
      retainedBytes: retained.bytes,
      retainedEvicted: retained.evicted,
      sessionMessagesDropped: sessions.dropped,
      sessionsEvicted: sessions.evicted,
      ...this.counts,
    }
  }

  /** Frees the port and drops all clients. Idempotent. */
  close(): Promise<void> {
    this.closing ??= this.shutDown()
    return this.closing
  }

  private async shutDown(): Promise<void> {
    const closed = new Promise<void>(resolve => this.server.close(() => resolve()))
    const quiet = new Promise<void>(resolve => this.aedes.close(() => resolve()))
    const late = () => new MillraceError('STOPPED', 'the broker did not close in time')
    await withLimit(quiet, CLOSE_LIMIT_MS, late).catch(() => undefined)
    for (const stream of this.streams) stream.destroy()
    await withLimit(closed, CLOSE_LIMIT_MS, late).catch(() => undefined)
  }

  private welcome(socket: Socket): void {
    if (this.streams.size >= this.limits.maxConnections) {
      this.counts.connectionsRefused++
      socket.destroy()
      return
    }
    this.attach(this.streamOver(socket))
  }

  private streamOver(socket: Duplex): ClientStream {
    return new ClientStream(socket, this.limits, this.intakeMemory)
  }

  private attach(stream: ClientStream): void {
    this.streams.add(stream)
    stream.on('close', () => this.streams.delete(stream))
    // Aedes reports it as clientError or connectionError; a stream without a listener would end the process.
    stream.on('error', () => undefined)
    this.aedes.handle(stream)
  }

  /** Leaves a message that may be lost out for a client that is behind. */
  private forward<P extends { readonly qos: number; readonly payload: { readonly length: number } }>(
    client: Client,
    packet: P,
  ): P | null {
    const stream = streamOf(client)
    const mayBeLost = packet.qos === 0 || stream?.wantsAll === false
    if (mayBeLost && stream?.behind === true) {
      this.counts.dropped++
      return null
    }
    stream?.announce(packet.payload.length)
    return packet
  }

  /** Aedes reports a client once for each message that was under way to it. */
  private noteLost(client: Client): void {
    if (this.lost.has(client)) return
    this.lost.add(client)
    if (streamOf(client)?.admitted === true) this.counts.clientsGivenUp++
    else this.counts.connectionsRefused++
  }
}

/** @throws PORT_TAKEN, BROKER_EXPOSED, OPTION_INVALID */
export function startBroker(options: BrokerOptions = {}): Promise<EmbeddedBroker> {
  return EmbeddedBroker.start(options)
}

type Handing = (packet: PublishPacket, then: (error?: Error) => void) => void

interface HookParts {
  readonly access: Access
  /** Of the clients that are let in. */
  readonly grants: WeakMap<Client, Grant>
  readonly limits: BrokerLimits
  readonly intake: Intake | undefined
  readonly held: HeldPublishes
  /** Hands a message out. */
  readonly publish: Handing
}

function hooks({ access, grants, limits, intake, held, publish }: HookParts): AedesOptions {
  return {
    connectTimeout: limits.connectTimeoutMs,
    authenticate: (client, username, password, done) => {
      const grant = access.grant(username, password)
      if (grant !== undefined) grants.set(client, grant)
      // Before the CONNACK leaves: a client may answer it at once with its largest packet.
      if (grant !== undefined) streamOf(client)?.admit()
      done(null, grant !== undefined)
    },
    authorizePublish: (client, packet, done) => {
      const { topic, payload } = packet
      if (client === null || grants.get(client)?.mayPublish(topic) !== true)
        return done(new Error(`'${topic}' may not be published to`))
      const stream = streamOf(client)
      if (intake !== undefined && stream !== undefined) {
        packet.retain = false
        const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
        intake.take({ topic, payload: bytes, owned: false }, stream)
      }
      if (packet.qos !== 1 || !held.concerns(topic)) return done(null)
      held.hold(packet, publish, done)
    },
    authorizeSubscribe: (client, subscription, done) => {
      streamOf(client)?.subscribed(subscription.qos)
      const allowed = grants.get(client)?.maySubscribe(subscription.topic) === true
      if (allowed && subscription.qos > 0) held.subscribed(client.id, subscription.topic)
      done(null, allowed ? subscription : null)
    },
  }
}

function streamOf(client: Client): ClientStream | undefined {
  return client.conn instanceof ClientStream ? client.conn : undefined
}
