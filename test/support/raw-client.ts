import { createConnection, type Socket } from 'node:net'
import { generate, type IConnectPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet'
import { filter, firstValueFrom, Subject } from 'rxjs'

/** An MQTT client that does just what it is told: it reads, answers and reconnects only when a test says so. */
export class RawClient {
  /** Every packet that came; ends when the connection does. */
  readonly packets$ = new Subject<Packet>()
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>
  private readonly parser = parser()
  private lastId = 0

  private constructor(readonly socket: Socket) {
    this.parser.on('packet', (packet: Packet) => this.packets$.next(packet))
    socket.on('data', bytes => this.parser.parse(bytes))
    socket.on('error', () => undefined)
    this.closed = new Promise(resolve => {
      socket.on('close', () => {
        this.packets$.complete()
        resolve()
      })
    })
  }

  static open(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = createConnection({ port, host })
    const client = new RawClient(socket)
    return new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(client)).once('error', reject)
    })
  }

  /** A client that the broker has welcomed. */
  static async join(
    port: number,
    clientId: string,
    options: Partial<IConnectPacket> = {},
  ): Promise<RawClient> {
    const client = await RawClient.open(port)
    const code = await client.introduce(clientId, options)
    if (code !== 0) throw new Error(`the broker refused ${clientId}: ${code}`)
    return client
  }

  /** @returns the code of the CONNACK; 0 is welcome */
  async introduce(clientId: string, options: Partial<IConnectPacket> = {}): Promise<number | undefined> {
    const answer = this.next('connack')
    this.send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, clean: true, ...options })
    return (await answer).returnCode
  }

  async subscribe(topic: string, qos: 0 | 1 = 0): Promise<void> {
    const answer = this.next('suback')
    this.send({ cmd: 'subscribe', messageId: this.id(), subscriptions: [{ topic, qos }] })
    await answer
  }

  publish(
    topic: string,
    payload: Uint8Array | string,
    how: { qos?: 0 | 1 | 2; retain?: boolean } = {},
  ): void {
    const { qos = 0, retain = false } = how
    const id = qos > 0 ? { messageId: this.id() } : {}
    this.send({ cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain, dup: false, ...id })
  }

  /** The next packet of this kind, from now on. */
  next<C extends Packet['cmd']>(cmd: C): Promise<Extract<Packet, { cmd: C }>> {
    const isThis = (packet: Packet): packet is Extract<Packet, { cmd: C }> => packet.cmd === cmd
    return firstValueFrom(this.packets$.pipe(filter(isThis)))
  }

  /** The next message on this topic, from now on. */
  message(topic: string): Promise<IPublishPacket> {
    const isThis = (packet: Packet): packet is IPublishPacket =>
      packet.cmd === 'publish' && packet.topic === topic
    return firstValueFrom(this.packets$.pipe(filter(isThis)))
  }

  send(packet: Packet): boolean {
    return this.write(generate(packet))
  }

  write(bytes: Uint8Array): boolean {
    return this.socket.write(bytes)
  }

  /** From now on takes no more than so many bytes per second; 0 takes nothing until it is called again. */
  throttle(bytesPerSecond: number): void {
    this.socket.removeAllListeners('data').pause()
    if (bytesPerSecond === 0) return
    this.socket.on('data', (bytes: Buffer) => {
      this.socket.pause()
      setTimeout(() => this.socket.resume(), (1_000 * bytes.length) / bytesPerSecond)
      this.parser.parse(bytes)
    })
    this.socket.resume()
  }

  /** Says nothing more, and waits for the end. */
  async leave(): Promise<void> {
    this.socket.destroy()
    await this.closed
  }

  private id(): number {
    this.lastId = (this.lastId % 65_535) + 1
    return this.lastId
  }
}

export function isPublish(packet: Packet): packet is IPublishPacket {
  return packet.cmd === 'publish'
}
