import { randomUUID } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { isOf } from './disk-errors.js'

const RENEW_MS = 10_000
/** A lease that was not renewed for so long is nobody's; several renewals may be late. */
const STALE_MS = 60_000

const UNREADABLE = ['EACCES', 'EPERM', 'EMFILE', 'ENFILE', 'EIO']

const LeaseFile = z.object({ pid: z.int(), place: z.string(), parts: z.array(z.string()) })

/**
 * Says in a folder that other processes use too that this one lives, and which parts it needs there. What bears a
 * lease's id in its name belongs to the process that renews it.
 */
export class Lease {
  readonly id = randomUUID()
  private parts: readonly string[] = []
  private timer: NodeJS.Timeout | undefined
  private isThere = false
  private isOver = false
  /** Settles when the last write has ended. */
  private turn: Promise<unknown> = Promise.resolve()

  constructor(private readonly directory: string) {}

  /** Resolves when others can read it. */
  async begin(): Promise<void> {
    if (!this.isThere) await this.write()
  }

  /** @param parts  SHA-256 of all that nobody may remove now */
  async hold(parts: readonly string[]): Promise<void> {
    this.parts = parts
    if (!this.isOver && (parts.length > 0 || this.timer !== undefined)) await this.write()
  }

  /** Whatever is held from now on, others are not told. */
  async end(): Promise<void> {
    this.isOver = true
    clearInterval(this.timer)
    await this.turn
    await rm(this.path, { force: true })
  }

  private get path(): string {
    return join(this.directory, `${this.id}.lease`)
  }

  /** One write after the other, each of the newest state, and never half of it to be read. */
  private write(): Promise<void> {
    this.timer ??= setInterval(() => void this.renew(), RENEW_MS).unref()
    const written = this.turn.then(async () => {
      const content = { pid: process.pid, place: place(), parts: this.parts }
      await writeFile(`${this.path}.new`, JSON.stringify(content))
      await rename(`${this.path}.new`, this.path)
      this.isThere = true
    })
    this.turn = written.catch(() => undefined)
    return written
  }

  private async renew(): Promise<void> {
    const now = new Date()
    // Others remove the lease of a process that was frozen for long.
    await utimes(this.path, now, now).catch(() => this.write().catch(() => undefined))
  }
}

/**
 * Parts that the process behind a lease needs.
 * @returns undefined where no living process renews it
 */
export async function readLease(directory: string, id: string): Promise<readonly string[] | undefined> {
  const path = join(directory, `${id}.lease`)
  try {
    const { mtimeMs } = await stat(path)
    if (Date.now() - mtimeMs > STALE_MS) return undefined
    const lease = LeaseFile.parse(JSON.parse(await readFile(path, 'utf8')))
    return lease.place === place() && !isRunning(lease.pid) ? undefined : lease.parts
  } catch (error) {
    // One that is there, and cannot be read by this process, is not to be taken for a dead one's.
    return isOf(error, UNREADABLE) ? [] : undefined
  }
}

/** Where process ids mean the same: the machine, and on Linux the container. */
function place(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // A process of another user is not to be signalled, but there.
    return isOf(error, ['EPERM'])
  }
}
