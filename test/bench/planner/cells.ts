import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomOf } from '../../../core/synthetic/index.js'
import { type PlanProblem } from '../../../core/planner/problem.js'

/** A model's candidate cut points and the segments between them, by SEIFER's rules. */
export interface Network {
  readonly points: readonly string[]
  /** Mbit that cross after a point. */
  readonly transfers: readonly number[]
  /** Of the segment from a point to the next: activations, and weights at one byte each. */
  readonly mems: readonly number[]
  readonly act_bytes: readonly number[]
  /** At four bytes each. */
  readonly param_bytes: readonly number[]
}

/** `published`: see `publishedMemory`. `true`: weights at four bytes each, of all that a part runs. */
export type MemoryRule = 'published' | 'true'

export interface Cell {
  readonly model: string
  /** MiB of each device. */
  readonly memory: number
  readonly devices: number
}

export type NetworksByName = Readonly<Record<string, Network>>

export function readNetworks(folder: string): NetworksByName | undefined {
  const file = join(folder, 'models.json')
  // The file is part of the published set that it is recomputed from.
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as NetworksByName) : undefined
}

/**
 * Mean bottlenecks that SEIFER published, in s, by `keyOf` the cell and, for k-path matching, the number of classes.
 * Cells without a figure are left out.
 */
export function readPublished(folder: string, file: string): Map<string, number> {
  const [, ...lines] = readFileSync(join(folder, file), 'utf8').trim().split('\n')
  const rows = lines.map(line => line.trim().split(','))
  return new Map(
    rows
      .map(row => [row.slice(0, -1).join(' '), Number(row.at(-1))] as const)
      .filter(([, seconds]) => seconds > 0),
  )
}

export function keyOf({ model, memory, devices }: Cell): string {
  return `${model} ${memory} ${devices}`
}

/**
 * One trial of a cell: devices uniform in [1, 150]² m, all linked, at log2(1 + 283230 / d²) Mbit/s. Nothing but the links
 * between parts costs time.
 */
export function trialOf(network: Network, cell: Cell, rule: MemoryRule, trial: number): PlanProblem {
  const random = randomOf('planner bench', keyOf(cell), trial)
  const rates = ratesOf(cell.devices, () => random.uniform())
  const capacity = cell.memory * 2 ** 20
  return {
    chain: chainOf(network),
    devices: rates.slice(0, -1).map((_, i) => ({
      id: `device-${i + 1}`,
      speed: 1,
      memoryBytes: capacity,
      sendRate: UNLIMITED,
      receiveRate: UNLIMITED,
    })),
    network: { rates, messageMs: 0, dispatcherSendRate: UNLIMITED, dispatcherReceiveRate: UNLIMITED },
    processBytes: 0,
    weightFactor: 1,
    replicas: false,
    ...(rule === 'published' ? { memoryOf: publishedMemory(network) } : {}),
  }
}

/** Bytes per ms; finite, so that a planner may calculate with it. */
const UNLIMITED = 1e15
/** In a Mbit. */
const BYTES = 1e6 / 8

function ratesOf(devices: number, uniform: () => number): number[][] {
  const places = Array.from({ length: devices }, () => [1 + 149 * uniform(), 1 + 149 * uniform()] as const)
  const rates = places.map(([x, y]) =>
    places.map(([otherX, otherY]) => {
      const squared = (x - otherX) ** 2 + (y - otherY) ** 2
      return squared === 0 ? 0 : (Math.log2(1 + 283230 / squared) * BYTES) / 1000
    }),
  )
  return [...rates.map(row => [...row, UNLIMITED]), [...places.map(() => UNLIMITED), 0]]
}

/** A block is a point and the segment that leads to it. */
function chainOf(network: Network): PlanProblem['chain'] {
  const bytes = [0, ...network.transfers.slice(0, -1).map(transfer => transfer * BYTES), 0]
  return {
    blocks: network.points.map((_, i) => ({
      computeMs: 0,
      weightBytes: network.param_bytes[i - 1] ?? 0,
      activationBytes: network.act_bytes[i - 1] ?? 0,
    })),
    crossings: bytes.map(count => ({ bytes: count, tensors: 1, sendMs: 0, receiveMs: 0 })),
  }
}

/**
 * SEIFER's rule: the segments between the points of a part, all their activations and a byte for each weight. The
 * segment that leads to the part's first point is not counted.
 */
function publishedMemory({ mems }: Network): (from: number, to: number) => number {
  const sums = [0]
  for (const bytes of mems) sums.push((sums.at(-1) ?? 0) + bytes)
  return (from, to) => (sums[Math.max(from, to - 1)] ?? 0) - (sums[from] ?? 0)
}
