import { type Stats } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readLease } from './lease.js'

const PART = /^([0-9a-f]{64})\.onnx$/
const LEASE = /^([0-9a-f-]{36})\.lease$/
/** What its maker removes again: drafts of parts, folders for work, and leases half written. */
const PASSING = /^(?:[0-9a-f]{64}\.)?([0-9a-f-]{36})(?:\.\d+)?\.(?:draft|work|lease\.new)$/

export interface StoredPart {
  readonly sha256: string
  readonly bytes: number
  /** ms since the Unix epoch. */
  readonly usedAt: number
}

export interface Survey {
  readonly parts: readonly StoredPart[]
  /** Of parts on their way here, at the size that they are to have. */
  readonly draftBytes: number
  /** Parts that some living process needs. */
  readonly held: ReadonlySet<string>
}

/** Looks at what all processes keep in a folder of parts, and removes what those left behind that live no more. */
export async function survey(directory: string): Promise<Survey> {
  const names = await readdir(directory)
  const leases = new Map<string, Promise<readonly string[] | undefined>>()
  const leaseOf = (id: string) => {
    const lease = leases.get(id) ?? readLease(directory, id)
    leases.set(id, lease)
    return lease
  }
  const parts: StoredPart[] = []
  const held = new Set<string>()
  let draftBytes = 0
  for (const name of names) {
    const path = join(directory, name)
    const sha256 = PART.exec(name)?.[1]
    const lease = LEASE.exec(name)?.[1]
    const owner = lease ?? PASSING.exec(name)?.[1]
    if (owner !== undefined) {
      const living = await leaseOf(owner)
      if (living === undefined) await rm(path, { recursive: true, force: true })
      else if (lease !== undefined) living.forEach(part => held.add(part))
      else if (name.endsWith('.draft')) draftBytes += (await statsOf(path))?.size ?? 0
    } else if (sha256 !== undefined) {
      const stats = await statsOf(path)
      if (stats !== undefined) parts.push({ sha256, bytes: stats.size, usedAt: stats.mtimeMs })
    }
  }
  return { parts, draftBytes, held }
}

/** Undefined for what is gone meanwhile. */
function statsOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined)
}
