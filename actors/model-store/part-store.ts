import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../core/errors.js'
import { makeFolder } from '../machine/index.js'
import { isOf } from './disk-errors.js'
import { type PartId, partIdOfFile, readRange } from './files.js'
import { Lease } from './lease.js'
import { MIB, storeOptions } from './options.js'
import { SharedWork } from './shared-work.js'
import { type StoredPart, survey } from './survey.js'

interface Draft {
  readonly path: string
  readonly file: FileHandle
}

/**
 * Model parts on disk, each a file under its SHA-256. A file was complete and verified when it got its name. Several
 * processes may use one folder. Where a new part would take more than the limit, those go that were longest not used;
 * never one that a living process holds.
 */
export class PartStore {
  /** Fetches into this store. */
  readonly transfers = new SharedWork()
  private readonly lease: Lease
  private readonly holds = new Map<string, readonly string[]>()
  /** Settles when the last draft that was asked for has its room. */
  private turn: Promise<unknown> = Promise.resolve()
  private made = 0

  private constructor(
    readonly directory: string,
    readonly limitBytes: number,
  ) {
    this.lease = new Lease(directory)
  }

  /** What processes that were killed left half done in the folder is removed; parts are kept, also above the limit. */
  static async open(
    directory: string,
    limitBytes: number = storeOptions.cacheLimitMib.default * MIB,
  ): Promise<PartStore> {
    await makeFolder(directory)
    await survey(directory)
    return new PartStore(directory, limitBytes)
  }

  /** Holds nothing any more. The parts stay. */
  async close(): Promise<void> {
    this.holds.clear()
    await this.lease.end()
  }

  pathOf(sha256: string): string {
    return join(this.directory, `${sha256}.onnx`)
  }

  /**
   * Keeps parts from being removed to make room, be they here or not yet: at once in this process, and in others that
   * use the folder when it resolves.
   * @param owner  names the reason; what was held for it before is held no more
   * @param parts  SHA-256 of each; none: nothing is held for it
   * @throws DISK_FULL: other processes cannot be told
   */
  async hold(owner: string, parts: readonly string[]): Promise<void> {
    if (parts.length === 0) this.holds.delete(owner)
    else this.holds.set(owner, parts)
    try {
      await this.lease.hold([...new Set([...this.holds.values()].flat())])
    } catch (error) {
      throw this.diskError(error, 'what is in use cannot be noted')
    }
  }

  /** Reads the whole file: a disk may have changed what was verified when it came. */
  async has({ sha256, bytes }: PartId): Promise<boolean> {
    const path = this.pathOf(sha256)
    const found = await stat(path).catch(() => undefined)
    if (found?.size !== bytes) return false
    const actual = await partIdOfFile(path).catch(() => undefined)
    if (actual?.sha256 !== sha256) return false
    const now = new Date()
    // The time of the last use; another process may have removed it just now.
    return utimes(path, now, now).then(
      () => true,
      (error: unknown) => !isOf(error, ['ENOENT']),
    )
  }

  /** @throws CACHE_FULL, DISK_FULL */
  async put(data: Uint8Array): Promise<PartId> {
    const part = { sha256: createHash('sha256').update(data).digest('hex'), bytes: data.byteLength }
    if (await this.has(part)) return part
    await this.receive(part, async write => write(data))
    return part
  }

  /**
   * Stores what `produce` writes, under the name that it is said to have.
   * @throws PART_CORRUPT: its hash or size is another; CACHE_FULL, DISK_FULL. Nothing of it is kept then
   */
  async receive(
    part: PartId,
    produce: (write: (chunk: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    try {
      const draft = await this.inTurn(() => this.draft(part))
      try {
        await fill(draft, part, produce)
        await rename(draft.path, this.pathOf(part.sha256))
      } finally {
        await rm(draft.path, { force: true })
      }
    } catch (error) {
      throw this.diskError(error, `part ${part.sha256} takes ${part.bytes} bytes`)
    }
  }

  /** @returns at most `length` bytes from `offset`; undefined where the store has no such part */
  async read(sha256: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    return readRange(this.pathOf(sha256), offset, length)
  }

  /** Room in which a part fits without another being removed. */
  async freeBytes(): Promise<number> {
    const { parts, draftBytes } = await survey(this.directory)
    return Math.max(0, this.limitBytes - draftBytes - sumOf(parts))
  }

  /** A new folder on the disk of the parts, for links to them. Whoever asked removes it; after a kill, others do. */
  async workFolder(): Promise<string> {
    await this.lease.begin()
    const folder = join(this.directory, `${this.lease.id}.${this.made++}.work`)
    await mkdir(folder)
    return folder
  }

  /** One after the other, so that no two count on the same room. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work)
    this.turn = result.catch(() => undefined)
    return result
  }

  /** An empty file of the part's full size, so that all who share the folder count with it. */
  private async draft(part: PartId): Promise<Draft> {
    await this.makeRoom(part)
    await this.lease.begin()
    const path = join(this.directory, `${part.sha256}.${this.lease.id}.${this.made++}.draft`)
    const file = await open(path, 'wx')
    try {
      await file.truncate(part.bytes)
      return { path, file }
    } catch (error) {
      await file.close()
      await rm(path, { force: true })
      throw error
    }
  }

  /** @throws CACHE_FULL: what is in use leaves no room; nothing is removed then */
  private async makeRoom(part: PartId): Promise<void> {
    const { parts, draftBytes, held } = await survey(this.directory)
    const others = parts.filter(({ sha256 }) => sha256 !== part.sha256)
    const isHeld = ({ sha256 }: StoredPart) =>
      held.has(sha256) || [...this.holds.values()].some(list => list.includes(sha256))
    const inUse = draftBytes + sumOf(others.filter(isHeld))
    if (inUse + part.bytes > this.limitBytes) throw this.full(part, inUse)
    let excess = draftBytes + sumOf(others) + part.bytes - this.limitBytes
    for (const old of others.toSorted((a, b) => a.usedAt - b.usedAt)) {
      if (excess <= 0) return
      if (isHeld(old)) continue
      await rm(this.pathOf(old.sha256), { force: true })
      excess -= old.bytes
    }
    if (excess > 0) throw this.full(part, inUse + excess)
  }

  private diskError(error: unknown, what: string): unknown {
    if (!isOf(error, ['ENOSPC', 'EDQUOT'])) return error
    const message = `${what}: the disk of ${this.directory} is full`
    return new MillraceError('DISK_FULL', message, { cause: error })
  }

  private full({ sha256, bytes }: PartId, inUse: number): MillraceError {
    const limit = `${this.directory} may hold ${this.limitBytes} (--cache-limit-mib ${this.limitBytes / MIB})`
    return new MillraceError(
      'CACHE_FULL',
      `part ${sha256} takes ${bytes} bytes; ${limit}, and ${inUse} of them are in use`,
    )
  }
}

async function fill(
  { file }: Draft,
  part: PartId,
  produce: (write: (chunk: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const hash = createHash('sha256')
  let bytes = 0
  try {
    await produce(async chunk => {
      hash.update(chunk)
      bytes += chunk.byteLength
      await file.writeFile(chunk)
    })
  } finally {
    await file.close()
  }
  const actual = hash.digest('hex')
  if (actual === part.sha256 && bytes === part.bytes) return
  throw new MillraceError('PART_CORRUPT', `part ${part.sha256} arrived as ${actual}, with ${bytes} bytes`)
}

function sumOf(parts: readonly StoredPart[]): number {
  return parts.reduce((sum, { bytes }) => sum + bytes, 0)
}
