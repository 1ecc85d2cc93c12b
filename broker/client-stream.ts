import { Duplex } from 'node:stream'
import { HeaderGuard } from './guard.js'

export interface ClientStreamLimits {
  readonly maxPacketBytes: number
  /** Bytes that may wait for the client before it is given up. */
  readonly maxQueuedBytes: number
  /** Without any progress for so long, while bytes wait, the client is given up. */
  readonly stalledMs: number
}

/** What one write to the socket takes: small enough that a slow link shows progress. */
const SLICE_BYTES = 64 * 1024
/** More than can wait here: the broker never waits for one client, because then all others would wait with it. */
const NEVER_FULL = Number.MAX_SAFE_INTEGER

/**
 * Stands between a socket and the broker. What comes in is inspected before the broker parses it. What goes out waits
 * here, in a bounded queue of this client's own: the broker delivers a message to all its receivers before it goes on,
 * so one frozen receiver would stop everybody (decision D11). Frozen is who takes nothing for a while; slow is who takes
 * little, and is left in peace.
 */
export class ClientStream extends Duplex {
  private readonly guard: HeaderGuard
  private readonly queue: Uint8Array[] = []
  private queued = 0
  private writing = false
  private ending: (() => void) | undefined
  private stall: NodeJS.Timeout | undefined

  constructor(
    private readonly socket: Duplex,
    private readonly limits: ClientStreamLimits,
  ) {
    super({ writableHighWaterMark: NEVER_FULL, allowHalfOpen: false })
    this.guard = new HeaderGuard(limits.maxPacketBytes)
    socket.on('data', (chunk: Buffer) => this.takeIn(chunk))
    socket.on('end', () => this.push(null))
    socket.on('error', error => this.destroy(error))
    socket.on('close', () => this.destroy())
  }

  /** Bytes that wait for the client. */
  get queuedBytes(): number {
    return this.queued
  }

  /** The client has introduced itself and is welcome. */
  admit(): void {
    this.guard.admit()
  }

  override _read(): void {
    this.socket.resume()
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
    const problem = this.guard.inspect(chunk)
    if (problem !== undefined) this.destroy(new Error(problem))
    else if (!this.push(chunk)) this.socket.pause()
  }

  private enqueue(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.byteLength; at += SLICE_BYTES)
        this.queue.push(chunk.subarray(at, at + SLICE_BYTES))
      this.queued += chunk.byteLength
    }
    if (this.queued > this.limits.maxQueuedBytes) {
      this.destroy(
        new Error(`${this.queued} bytes wait for the client, the limit is ${this.limits.maxQueuedBytes}`),
      )
    } else this.pump()
  }

  private pump(): void {
    if (this.writing || this.destroyed) return
    if (this.queue.length === 0) return this.ending?.()
    this.writing = true
    const sent = this.writeSlice()
    this.stall = setTimeout(() => this.destroy(new Error('the client takes nothing')), this.limits.stalledMs)
    this.stall.unref()
    sent.then(
      bytes => {
        clearTimeout(this.stall)
        this.writing = false
        this.queued -= bytes
        this.pump()
      },
      () => undefined,
    )
  }

  /** Small pieces leave together. */
  private writeSlice(): Promise<number> {
    return new Promise((resolve, reject) => {
      let bytes = 0
      const pieces: Uint8Array[] = []
      for (let next = this.queue[0]; next !== undefined; next = this.queue[0]) {
        if (pieces.length > 0 && bytes + next.byteLength > SLICE_BYTES) break
        this.queue.shift()
        pieces.push(next)
        bytes += next.byteLength
      }
      this.socket.cork()
      for (const [i, piece] of pieces.entries()) {
        const last = i === pieces.length - 1
        this.socket.write(piece, last ? error => (error == null ? resolve(bytes) : reject(error)) : undefined)
      }
      this.socket.uncork()
    })
  }
}
