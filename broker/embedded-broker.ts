import { createServer, type Server, type Socket } from 'node:net'
import { duplexPair } from 'node:stream'
import { Aedes, type AedesOptions, type Client } from 'aedes'
import { type Bus } from '../core/bus.js'
import { MillraceError, messageOf } from '../core/errors.js'
import { parseOptions } from '../core/options.js'
import { withLimit } from '../core/wait.js'
import { type Access, accessFor, type User } from './access.js'
import { ClientStream } from './client-stream.js'
import { type BusOptions, connectStream } from './connect-bus.js'
import { type BrokerLimits, brokerLimits, type BrokerLimitsInput } from './options.js'
import { RetainedCap } from './retained-cap.js'
import { boundedPersistence, type SessionCap } from './session-cap.js'

export interface BrokerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 1883; 0 for a free one. */
  readonly port?: number
  /** Who may connect; without any, everybody, and then only on loopback. */
  readonly users?: readonly User[]
  readonly limits?: BrokerLimitsInput
}

export interface BrokerMetrics {
  readonly connections: number
  readonly retainedMessages: number
  readonly retainedBytes: number
  /** Since the start: retained messages that went because of the cap, messages that were dropped for a slow client or
   * for an absent one, sessions of absent clients that went, clients that were given up, and connections refused. */
  readonly retainedEvicted: number
  readonly dropped: number
  readonly sessionMessagesDropped: number
  readonly sessionsEvicted: number
  readonly clientsGivenUp: number
  readonly connectionsRefused: number
}

const CLOSE_LIMIT_MS = 2_000
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
  private readonly retained: RetainedCap
  private readonly counts = { retainedEvicted: 0, dropped: 0, clientsGivenUp: 0, connectionsRefused: 0 }
  private closing: Promise<void> | undefined
  private inProcess = 0

  private constructor(
    private readonly aedes: Aedes,
    private readonly server: Server,
    private readonly limits: BrokerLimits,
    private readonly sessions: SessionCap,
    readonly host: string,
    readonly port: number,
    private readonly users: readonly User[],
  ) {
    this.retained = new RetainedCap(limits)
    server.on('connection', socket => this.welcome(socket))
    aedes.on('clientReady', client => streamOf(client)?.admit())
    aedes.on('clientDisconnect', client => this.sessions.left(client))
    aedes.on('publish', ({ topic, payload, retain }) => {
      if (retain) this.noteRetained(topic, payload.length)
    })
    aedes.on('clientError', () => void this.counts.clientsGivenUp++)
    aedes.on('connectionError', () => void this.counts.connectionsRefused++)
  }

  /**
   * @throws PORT_TAKEN; BROKER_EXPOSED: it would listen beyond loopback without users (promise 10); OPTION_INVALID: the
   *   address is none of this machine
   */
  static async start(options: BrokerOptions = {}): Promise<EmbeddedBroker> {
    const { host = '127.0.0.1', port = 1883, users = [] } = options
    const limits = parseOptions(brokerLimits, options.limits ?? {}, 'the broker')
    if (users.length === 0 && !isLoopback(host)) {
      throw new MillraceError('BROKER_EXPOSED', `anybody who reaches ${host} could connect`)
    }
    const sessions = boundedPersistence(limits)
    const aedes = new Aedes({
      ...AEDES,
      ...hooks(accessFor(users), limits),
      persistence: sessions.persistence,
    })
    await aedes.listen()
    const server = createServer({ noDelay: true })
    try {
      const bound = await listen(server, host, port)
      const broker = new EmbeddedBroker(aedes, server, limits, sessions, host, bound, users)
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

  /** A connection without a socket. */
  connect(options: BusOptions): Promise<Bus> {
    const [user] = this.users
    const credentials = user === undefined ? {} : { username: user.name, password: user.password }
    const stream = () => {
      const [near, far] = duplexPair({ highWaterMark: 2 ** 20 })
      // A side that is destroyed does not tell the other by itself.
      near.on('close', () => far.destroy())
      far.on('close', () => near.destroy())
      this.inProcess++
      if (this.closing === undefined) this.attach(new ClientStream(far, this.limits))
      else far.destroy()
      return near
    }
    return connectStream(stream, { ...credentials, ...options })
  }

  metrics(): BrokerMetrics {
    return {
      connections: this.streams.size,
      retainedMessages: this.retained.messages,
      retainedBytes: this.retained.retainedBytes,
      ...this.counts,
      sessionMessagesDropped: this.sessions.dropped,
      sessionsEvicted: this.sessions.evicted,
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
    this.attach(new ClientStream(socket, this.limits))
  }

  private attach(stream: ClientStream): void {
    this.streams.add(stream)
    stream.on('close', () => this.streams.delete(stream))
    // Aedes reports it as clientError or connectionError; a stream without a listener would end the process.
    stream.on('error', () => undefined)
    this.aedes.handle(stream)
  }

  /** Leaves a message of QoS 0 out for a client that is too far behind. */
  private forward<P extends { readonly qos: number }>(client: Client, packet: P): P | null {
    const waiting = streamOf(client)?.queuedBytes ?? 0
    if (packet.qos > 0 || waiting < this.limits.maxQueuedBytes / 2) return packet
    this.counts.dropped++
    return null
  }

  private noteRetained(topic: string, size: number): void {
    for (const gone of this.retained.note(topic, size)) {
      this.counts.retainedEvicted++
      this.sessions.removeRetained(gone)
    }
  }
}

/** @throws PORT_TAKEN, BROKER_EXPOSED, OPTION_INVALID */
export function startBroker(options: BrokerOptions = {}): Promise<EmbeddedBroker> {
  return EmbeddedBroker.start(options)
}

function hooks(access: Access, limits: BrokerLimits): AedesOptions {
  return {
    connectTimeout: limits.connectTimeoutMs,
    authenticate: (_client, username, password, done) => {
      done(null, access.authenticate(username, password))
    },
    authorizePublish: (_client, { topic }, done) => {
      done(access.mayPublish(topic) ? null : new Error(`'${topic}' may not be published to`))
    },
    authorizeSubscribe: (_client, subscription, done) => {
      done(null, access.maySubscribe(subscription.topic) ? subscription : null)
    },
  }
}

function streamOf(client: Client): ClientStream | undefined {
  return client.conn instanceof ClientStream ? client.conn : undefined
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'PORT_TAKEN' : 'OPTION_INVALID'
      reject(
        new MillraceError(code, `cannot listen on ${host}:${port}: ${messageOf(error)}`, { cause: error }),
      )
    })
    server.listen(port, host, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

function isAny(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
