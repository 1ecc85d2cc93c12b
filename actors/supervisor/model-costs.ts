import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Costs, type MemoryCosts, type Rate, TYPICAL_TRANSPORT } from '../../core/costs/index.js'
import { type ModelFiles } from '../../core/control/index.js'
import { MillraceError } from '../../core/errors.js'
import { type PartStore } from '../model-store/index.js'
import {
  costsFileName,
  measureMemoryCosts,
  measureTransportCosts,
  profileFolder,
  readCosts,
  type SpawnProbe,
  thinCosts,
  thisMachine,
  type Times,
  writeCosts,
} from '../profiler/index.js'
import { type SupervisorOptions } from './options.js'
import { type LaidOut, layOut, layOutWith } from './workshop/laid-out.js'
import { type StoredData } from './workshop/messages.js'
import { measureModel } from './workshop/workshop.js'

export interface CostsParts {
  readonly store: PartStore
  readonly options: SupervisorOptions
  /**
   * Starts processes in which memory and transport are measured; left out: they are taken to be `TYPICAL_MEMORY` and
   * `TYPICAL_TRANSPORT`.
   */
  readonly spawnProbe?: SpawnProbe | undefined
  readonly onTrouble: (error: MillraceError) => void
}

/** Of a runtime process on Linux, x64; measured with three networks, whose factors were 2.4 to 4.2. */
export const TYPICAL_MEMORY: MemoryCosts = { processBytes: 105e6, sessionBytes: 45e6, weightFactor: 3 }
/** A model with files outside that is larger than this is never held in one piece. */
const APART_BYTES = 2 ** 30
const PROBE_LIMIT_MS = 60_000
/** That a cost file takes. */
const LONGEST_NAME = 1_000
/** Cost files that a supervisor keeps. */
const MOST_KEPT = 500

/**
 * What a model, whose files are in the store, costs on this machine: as `millrace profile` or an earlier deployment
 * measured it, or measured now and kept beside the store's parts.
 * @param partitions  how many its blocks must do for; the costs of finer blocks than usual are not kept
 * @throws TOO_MANY_PARTITIONS, MODEL_INVALID, MODEL_TRUNCATED, MODEL_UNSUPPORTED, MODEL_DATA_MISSING, GRAPH_INVALID,
 *   INFERENCE_FAILED, STOPPED
 */
export async function costsOf(
  model: ModelFiles,
  partitions: number,
  parts: CostsParts,
  signal: AbortSignal,
): Promise<Costs> {
  const usual = (await keptCosts(model, parts)) ?? (await measureAndKeep(model, parts, signal))
  return usual.blocks.length >= partitions ? usual : measure(model, parts, signal, partitions)
}

/** As `costsOf`, where it need not be measured. */
export async function keptCosts(
  { sha256 }: ModelFiles,
  parts: Pick<CostsParts, 'store' | 'options'>,
): Promise<Costs | undefined> {
  const key = { sha256, machine: thisMachine() }
  for (const folder of [profileFolder(parts.options.profileDir), ownFolder(parts)]) {
    // What cannot be used is as good as not there: `profile` says why, and this measures again.
    const kept = await readCosts(join(folder, costsFileName(key)), key).catch(() => undefined)
    if (kept !== undefined) return kept
  }
  return undefined
}

function ownFolder({ store }: Pick<CostsParts, 'store'>): string {
  return join(store.directory, 'costs')
}

async function measureAndKeep(model: ModelFiles, parts: CostsParts, signal: AbortSignal): Promise<Costs> {
  const costs = await measure(model, parts, signal)
  const folder = ownFolder(parts)
  try {
    await writeCosts(join(folder, costsFileName({ sha256: model.sha256, machine: costs.machine })), costs)
    await thinCosts(folder, MOST_KEPT)
  } catch (error) {
    parts.onTrouble(MillraceError.from(error, 'COSTS_UNWRITABLE'))
  }
  return costs
}

async function measure(
  model: ModelFiles,
  parts: CostsParts,
  signal: AbortSignal,
  partitions = 1,
): Promise<Costs> {
  const { store, options } = parts
  const data = dataOf(model, store)
  const whole = await layOutWith(store.pathOf(model.sha256), store, data)
  const scratch = await layOut(store, [])
  try {
    const folder = join(scratch.folder, 'trace')
    await mkdir(folder)
    const bytes = model.bytes + (model.data ?? []).reduce((sum, file) => sum + file.bytes, 0)
    const order = {
      ...{ model: whole.model, name: model.name.slice(0, LONGEST_NAME), folder, machine: thisMachine() },
      ...{ budgetMs: options.measureMs, partitions, apart: data.length > 0 && bytes > APART_BYTES },
    }
    const times = await measureModel(order, signal)
    const memory = await memoryOf(whole.model, times, scratch, parts, signal)
    return { ...times, memory, transport: await transportOf(parts, signal) }
  } finally {
    await Promise.all([whole.close(), scratch.close()])
  }
}

/** The files that a model refers to. */
export function dataOf({ data = [] }: ModelFiles, store: PartStore): StoredData[] {
  return data.map(({ location, sha256 }) => ({ location, path: store.pathOf(sha256) }))
}

async function memoryOf(
  model: string,
  { blocks }: Times,
  { folder }: LaidOut,
  { spawnProbe: spawn, onTrouble }: CostsParts,
  signal: AbortSignal,
): Promise<MemoryCosts> {
  if (spawn === undefined) return TYPICAL_MEMORY
  try {
    return await measureMemoryCosts(model, blocks, { spawn, folder, limitMs: PROBE_LIMIT_MS, signal })
  } catch (error) {
    if (signal.aborted) throw error
    onTrouble(MillraceError.from(error))
    return TYPICAL_MEMORY
  }
}

async function transportOf({ spawnProbe: spawn, onTrouble }: CostsParts, signal: AbortSignal): Promise<Rate> {
  if (spawn === undefined) return TYPICAL_TRANSPORT
  try {
    return await measureTransportCosts({ spawn, limitMs: PROBE_LIMIT_MS, signal })
  } catch (error) {
    if (signal.aborted) throw error
    onTrouble(MillraceError.from(error))
    return TYPICAL_TRANSPORT
  }
}
