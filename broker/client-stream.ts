import { Duplex } from 'node:stream'
import { type SpareMemory } from '../core/spare-memory.js'
import { HeaderGuard } from './guard.js'
import { PublishReader, type TakenPublish } from './publish-reader.js'

export interface ClientStreamLimits {
  readonly maxPacketBytes: number
  /** Bytes that may wait for the client before it is given up; from half of it on it is behind. */
  readonly maxQueuedBytes: number
  /**
   * When it has taken and sent nothing for so long, while bytes wait, the client is given up. Much longer than a slice
   * takes: Linux tells of space in a full send buffer of 4 MB only when 1.4 MB of it are free, at 2.9 Mbit/s every 4 s
   * (measured). What the client sends, such as a ping, shows that it is alive however slow its link is.
   */
  readonly stalledMs: number
}

/** What one write to the socket takes: small enough that a slow link shows progress. */
const SLICE_BYTES = 64 * 1024
/** What a piece takes beside its bytes, about. */
const PIECE_BYTES = 128
/** The answer to a ping. */
const PINGRESP = Buffer.from([0xd0, 0])
const PUBACK = 0x40
/** More than can wait here: the broker never waits for one client, because then all others would wait with it. */
const NEVER_FULL = Number.MAX_SAFE_INTEGER

/**
 * Stands between a socket and the broker. What comes in is inspected before the broker parses it. What goes out waits
 * here, in a bounded queue of this client's own: the broker delivers a message to all its receivers before it goes on,
 * so one frozen receiver would stop everybody (decision D11). Frozen is who neither takes nor sends anything for a while;
 * slow is who takes little, and is left in peace.
 */
export class ClientStream extends Duplex {
  private readonly guard: HeaderGuard
  private readonly queue: Uint8Array[] = []
  private queued = 0
  private announced = 0
  private late = false
  private held = false
  private known = false
  private atLeastOnce = false
  private writing = false
  private ending: (() => void) | undefined
  private stall: NodeJS.Timeout | undefined
  private readonly reader: PublishReader | undefined

  /** @param memory  given where messages do not go through the broker: they wait for `startTaking`, in this */
  constructor(
    private readonly socket: Duplex,
    private readonly limits: ClientStreamLimits,
    memory?: SpareMemory,
  ) {
    super({ writableHighWaterMark: NEVER_FULL, allowHalfOpen: false })
    this.guard = new HeaderGuard(limits.maxPacketBytes)
    this.reader = memory === undefined ? undefined : new PublishReader(packet => this.passOn(packet), memory)
    socket.on('data', (chunk: Buffer) => this.takeIn(chunk))
    socket.on('end', () => this.push(null))
    socket.on('error', error => this.destroy(error))
    socket.on('close', () => this.destroy())
  }

  /**
   * Whether messages to the client should be left out: from half of the bound on, until no more than a quarter waits.
   * So a slow client misses messages in a row, and has whole the ones between, even where they go in chunks.
   */
  get behind(): boolean {
    const waiting = this.queued + this.writableLength + this.announced
    const share = waiting / this.limits.maxQueuedBytes
    this.late = share >= (this.late ? 0.25 : 0.5)
    return this.late
  }

  /** A message of so many bytes is on its way here: the broker writes it in its next turn, and decides on others first. */
  announce(bytes: number): void {
    this.announced += bytes
    setImmediate(() => {
      this.announced -= bytes
    })
  }

  get admitted(): boolean {
    return this.known
  }

  /** Whether the client has asked for messages that must not be left out. */
  get wantsAll(): boolean {
    return this.atLeastOnce
  }

  /** The client has introduced itself and is welcome. */
  admit(): void {
    this.known = true
    this.guard.admit()
  }

  /**
   * From now on takes messages of quality 0 and 1 in itself, and acknowledges them; what has waited comes at once.
   * @param take  whether the client may send this
   */
  startTaking(take: (publish: TakenPublish) => boolean): void {
    this.attempt(() =>
      this.reader?.open(publish => {
        const { topic, id } = publish
        if (!take(publish)) throw new Error(`'${topic}' may not be published to`)
        if (id !== undefined) this.write(Uint8Array.of(PUBACK, 2, id >> 8, id & 255))
      }),
    )
    this.readOn()
  }

  subscribed(qos: number): void {
    if (qos > 0) this.atLeastOnce = true
  }

  /** Reads no more from the client, whose own sending then comes to rest; what was read goes on. */
  hold(): void {
    this.held = true
    this.socket.pause()
  }

  /** Whoever is held is told that it is not forgotten, where nothing else goes to it. [MQTT-3.13] */
  reassure(): void {
    if (this.held && !this.writing && this.queue.length === 0 && !this.destroyed) this.socket.write(PINGRESP)
  }

  release(): void {
    this.held = false
    this.readOn()
  }

  override _read(): void {
    this.readOn()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    this.enqueue([chunk])
    done()
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: () => void): void {
    this.enqueue(chunks.map(({ chunk }) => chunk))
    done()
  }

  override _final(done: () => void): void {
    this.ending = () => {
      this.socket.end()
      done()
    }
    this.pump()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.stall)
    this.queue.length = 0
    this.queued = 0
    this.socket.destroy()
    done(error)
  }

  private takeIn(chunk: Buffer): void {
    this.stall?.refresh()
    const problem = this.guard.inspect(chunk)
    if (problem !== undefined) this.destroy(new Error(problem))
    else if (this.reader === undefined) this.passOn(chunk)
    else this.attempt(() => this.reader?.accept(chunk))
    if (this.reader?.waits === true) this.socket.pause()
  }

  private passOn(chunk: Buffer): void {
    if (!this.push(chunk)) this.socket.pause()
  }

  private readOn(): void {
    if (!this.held && this.reader?.waits !== true) this.socket.resume()
  }

  private attempt(read: () => void): void {
    try {
      read()
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /**
   * Small pieces are copied together: each is a view that keeps a larger buffer, and costs memory of its own. Large ones
   * are shared with the other receivers of the message.
   */
  private enqueue(chunks: readonly Uint8Array[]): void {
    let small: Uint8Array[] = []
    let size = 0
    const flush = () => {
      if (size > 0) this.append(Buffer.concat(small, size))
      small = []
      size = 0
    }
    for (const piece of chunks.flatMap(slices)) {
      if (size + piece.byteLength > SLICE_BYTES) flush()
      if (piece.byteLength === SLICE_BYTES) this.append(piece)
      else {
        small.push(piece)
        size += piece.byteLength
      }
    }
    flush()
    const { maxQueuedBytes } = this.limits
    if (this.queued <= maxQueuedBytes) this.pump()
    else this.destroy(new Error(`${this.queued} bytes wait for the client, the limit is ${maxQueuedBytes}`))
  }

  private append(piece: Uint8Array): void {
    this.queue.push(piece)
    this.queued += piece.byteLength + PIECE_BYTES
  }

  private pump(): void {
    if (this.writing || this.destroyed) return
    if (this.queue.length === 0) return this.ending?.()
    this.writing = true
    const sent = this.writeSlice()
    this.stall = setTimeout(() => this.destroy(new Error('the client takes nothing')), this.limits.stalledMs)
    this.stall.unref()
    sent.then(
      freed => {
        clearTimeout(this.stall)
        this.writing = false
        this.queued -= freed
        this.pump()
      },
      () => undefined,
    )
  }

  /** Pieces of one slice in all leave together. @returns how much less waits then */
  private writeSlice(): Promise<number> {
    const pieces = this.queue.splice(0, this.firstSlice())
    const freed = pieces.reduce((sum, { byteLength }) => sum + byteLength + PIECE_BYTES, 0)
    return new Promise((resolve, reject) => {
      this.socket.cork()
      for (const [i, piece] of pieces.entries()) {
        const last = i === pieces.length - 1
        this.socket.write(piece, last ? error => (error == null ? resolve(freed) : reject(error)) : undefined)
      }
      this.socket.uncork()
    })
  }

  private firstSlice(): number {
    let bytes = 0
    const end = this.queue.findIndex(({ byteLength }) => (bytes += byteLength) > SLICE_BYTES)
    return end < 0 ? this.queue.length : end
  }
}

function slices(chunk: Uint8Array): Uint8Array[] {
  const count = Math.ceil(chunk.byteLength / SLICE_BYTES)
  return Array.from({ length: count }, (_, i) => chunk.subarray(i * SLICE_BYTES, (i + 1) * SLICE_BYTES))
}
