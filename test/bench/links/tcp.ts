import { type Socket } from 'node:net'
import { type SpareMemory } from '../../../core/spare-memory.js'

const LENGTH_BYTES = 4

/** Resolves when the message has left. */
export function writeWithLength(socket: Socket, message: Uint8Array): Promise<void> {
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(message.byteLength)
  return new Promise((resolve, reject) => {
    socket.cork()
    socket.write(length)
    socket.write(message, error => (error == null ? resolve() : reject(error)))
    socket.uncork()
  })
}

/** Hands on each message, in memory that was spare, when it is whole. */
export function readLengths(
  socket: Socket,
  memory: SpareMemory,
  arrived: (message: Uint8Array) => void,
): void {
  const begin = (size: number) => new Part(memory.take(size))
  let [head, message] = [begin(LENGTH_BYTES), undefined as Part | undefined]
  socket.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.byteLength;) {
      const part = message ?? head
      at += part.fill(chunk, at)
      if (!part.isWhole) continue
      if (message === undefined) message = begin(head.bytes.readUInt32BE())
      else {
        arrived(message.bytes)
        ;[head, message] = [begin(LENGTH_BYTES), undefined]
      }
    }
  })
}

class Part {
  private filled = 0

  constructor(readonly bytes: Buffer) {}

  get isWhole(): boolean {
    return this.filled === this.bytes.byteLength
  }

  /** @returns how many bytes it took */
  fill(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.bytes, this.filled, at)
    this.filled += taken
    return taken
  }
}
