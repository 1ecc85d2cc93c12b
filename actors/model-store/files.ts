import { createHash } from 'node:crypto'
import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { MillraceError } from '../../core/errors.js'
import { type ExternalFile } from '../../core/graph/index.js'

/** Names a part: the SHA-256 of its bytes, in hex, and how many they are. */
export interface PartId {
  readonly sha256: string
  readonly bytes: number
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

/** @returns at most `length` bytes from `offset`; undefined where the file cannot be opened */
export async function readRange(
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array | undefined> {
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined) return undefined
  try {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, offset)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/**
 * A file of weights, of any size, which is read where and when it is asked for.
 * @throws what the file system throws
 */
export function externalFile(path: string): ExternalFile {
  return {
    byteLength: statSync(path).size,
    read: (offset, length) => {
      const bytes = new Uint8Array(length)
      const file = openSync(path, 'r')
      try {
        for (let at = 0; at < length;) {
          const count = readSync(file, bytes, at, length - at, offset + at)
          if (count === 0) throw new MillraceError('MODEL_DATA_MISSING', `${path} became shorter`)
          at += count
        }
        return bytes
      } finally {
        closeSync(file)
      }
    },
  }
}
