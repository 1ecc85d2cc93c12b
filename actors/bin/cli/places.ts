import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { MillraceError } from '../../../core/errors.js'
import { defineOptions } from '../../../core/options.js'
import { EMULATED_CLUSTER, readRecord, type RunRecord } from '../emulator/index.js'

/** The devices of the emulated cluster that this process runs in. */
export type Places = RunRecord

/** How many workers are started where neither the user nor an emulated cluster says. */
const DEFAULT_WORKERS = 4

/** The option of every command that starts workers; `workerCount` says how many. */
export const workerOption = defineOptions({
  workers: {
    check: z.coerce.number().int().min(1).max(1_000),
    value: 'N',
    doc: `Workers to start; left out, ${DEFAULT_WORKERS}, or in an emulated cluster one on each device.`,
  },
})

/**
 * @returns undefined outside an emulated cluster
 * @throws EMULATOR_UNAVAILABLE: it is gone
 */
export async function findPlaces(env: NodeJS.ProcessEnv = process.env): Promise<Places | undefined> {
  const record = env[EMULATED_CLUSTER]
  return record === undefined ? undefined : readRecord(record)
}

/**
 * @param wanted  left out: one on each device, or the default
 * @throws OPTION_INVALID: there are not so many devices
 */
export function workerCount(wanted: number | undefined, places: Places | undefined): number {
  if (places === undefined) return wanted ?? DEFAULT_WORKERS
  const most = places.workers.length
  if (wanted !== undefined && wanted > most) {
    throw new MillraceError(
      'OPTION_INVALID',
      `${wanted} workers: the emulated cluster has ${most} devices for them`,
    )
  }
  return wanted ?? most
}

/** What a broker for workers in other devices listens with: an address that they reach, and a user (promise 10). */
export interface Reach {
  readonly host: string
  readonly users: readonly { readonly name: string; readonly password: string }[]
}

/** @returns loopback, for everybody, outside an emulated cluster */
export function reachOf(places: Places | undefined): Reach {
  if (places === undefined) return { host: '127.0.0.1', users: [] }
  return {
    host: places.dispatcher.address,
    users: [{ name: 'millrace', password: randomBytes(24).toString('base64url') }],
  }
}
