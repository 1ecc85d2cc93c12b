import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

/** A name that no other has: of this machine, what it is for, and chance. */
export function freshId(purpose: string): string {
  const host = hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 30)
  return `${purpose}-${host}-${randomBytes(3).toString('hex')}`
}
