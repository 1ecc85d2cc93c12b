import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { MillraceError } from '../../core/errors.js'

/** Names a part: the SHA-256 of its bytes, in hex, and how many they are. */
export interface PartId {
  readonly sha256: string
  readonly bytes: number
}

/** Model parts on disk, each a file under its SHA-256. A file was complete and verified when it got its name. */
export class PartStore {
  private constructor(readonly directory: string) {}

  static async open(directory: string): Promise<PartStore> {
    await mkdir(directory, { recursive: true })
    return new PartStore(directory)
  }

  pathOf(sha256: string): string {
    return join(this.directory, `${sha256}.onnx`)
  }

  /** Reads the whole file: a disk may have changed what was verified when it came. */
  async has({ sha256, bytes }: PartId): Promise<boolean> {
    const path = this.pathOf(sha256)
    const found = await stat(path).catch(() => undefined)
    if (found?.size !== bytes) return false
    const actual = await partIdOfFile(path).catch(() => undefined)
    return actual?.sha256 === sha256
  }

  async put(data: Uint8Array): Promise<PartId> {
    const part = { sha256: createHash('sha256').update(data).digest('hex'), bytes: data.byteLength }
    if (await this.has(part)) return part
    await this.receive(part, async write => write(data))
    return part
  }

  /**
   * Stores what `produce` writes, under the name that it is said to have.
   * @throws PART_CORRUPT: its hash is another; nothing is kept then
   */
  async receive(
    part: PartId,
    produce: (write: (chunk: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const draft = join(this.directory, `${part.sha256}.${randomUUID()}.draft`)
    const hash = createHash('sha256')
    try {
      const file = await open(draft, 'wx')
      try {
        await produce(async chunk => {
          hash.update(chunk)
          await file.writeFile(chunk)
        })
      } finally {
        await file.close()
      }
      const actual = hash.digest('hex')
      if (actual !== part.sha256) {
        throw new MillraceError('PART_CORRUPT', `part ${part.sha256} arrived as ${actual}`)
      }
      await rename(draft, this.pathOf(part.sha256))
    } finally {
      await rm(draft, { force: true })
    }
  }

  /** @returns at most `length` bytes from `offset`; undefined where the store has no such part */
  async read(sha256: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    const file = await open(this.pathOf(sha256), 'r').catch(() => undefined)
    if (file === undefined) return undefined
    try {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, offset)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  }
}

/** @throws MODEL_NOT_FOUND */
export async function partIdOfFile(path: string): Promise<PartId> {
  const hash = createHash('sha256')
  try {
    const { size } = await stat(path)
    await pipeline(createReadStream(path), hash)
    return { sha256: hash.digest('hex'), bytes: size }
  } catch (error) {
    throw MillraceError.from(error, 'MODEL_NOT_FOUND', `${path}: `)
  }
}
