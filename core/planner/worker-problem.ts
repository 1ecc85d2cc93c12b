import { type ClusterDescription } from '../cluster-file.js'
import { type Actual, type Birth, type Speed } from '../control/index.js'
import { relativeSpeed } from '../speed.js'
import { clusterProblem, type PlanLimits, type WorkerCosts } from './cluster-problem.js'
import { type Chain, type PlanProblem } from './problem.js'

/** A worker as it says of itself, and what it has measured of its ways to others. */
export interface PlanWorker {
  readonly birth: Birth
  readonly links?: Actual['links']
  /** Memory that is taken already, in bytes. */
  readonly takenBytes?: number
  /** How many times slower it is now than it says; default 1. */
  readonly slowdown?: number
}

export interface WorkerLimits extends PlanLimits {
  /** Whether frames may go straight from worker to worker; otherwise all go through the broker. */
  readonly straight: boolean
  /** Most that one worker may give to this model; left out: all that it has. */
  readonly memoryMib?: number | undefined
  /** Of the machine that costs were measured on; left out: every worker counts as equally fast. */
  readonly speed?: Speed | undefined
}

/** Of links that nobody has measured: within one machine. */
const UNLIMITED_MBPS = 10_000
/** Frames come from the broker and results go to it. No worker can have this name. */
const BROKER = 'the broker'
const MIB = 2 ** 20

/**
 * A model on the workers of a running cluster as a problem for the planner, with devices in the order of the workers.
 * Where one has not measured something, nothing is made of it: its speed is 1, its memory the machine's, its link as good
 * as none.
 */
export function workersProblem(
  chain: Chain,
  workers: readonly PlanWorker[],
  costs: Omit<WorkerCosts, 'messageMs'>,
  limits: WorkerLimits,
): PlanProblem {
  const cluster = clusterOf(workers, limits)
  return clusterProblem(chain, cluster, { ...costs, messageMs: cluster.rttMs / 2 }, limits)
}

function clusterOf(workers: readonly PlanWorker[], limits: WorkerLimits): ClusterDescription {
  const devices = workers.map(({ birth, takenBytes = 0, slowdown = 1 }) => ({
    id: birth.worker,
    speed: (birth.speed && limits.speed ? relativeSpeed(birth.speed, limits.speed) : 1) / slowdown,
    cores: birth.cores,
    memoryMiB: Math.min(
      limits.memoryMib ?? Infinity,
      Math.max(0, (birth.availableBytes ?? birth.memoryBytes) - takenBytes) / MIB,
    ),
  }))
  const toBroker = workers.map(({ birth }) => birth.linkMbps ?? UNLIMITED_MBPS)
  const between = workers.map(from =>
    workers.map(to => (from === to ? 0 : mbpsBetween(from, to, limits.straight))),
  )
  return {
    dispatcher: BROKER,
    devices: [...devices, { id: BROKER, speed: 1, cores: 1, memoryMiB: 0 }],
    bandwidthMbps: [...between.map((row, i) => [...row, toBroker[i] ?? 0]), [...toBroker, 0]],
    rttMs: leastRttMs(workers),
  }
}

function mbpsBetween(from: PlanWorker, to: PlanWorker, straight: boolean): number {
  const probe =
    straight && to.birth.inbox !== undefined ? (probeOf(from, to) ?? probeOf(to, from)) : undefined
  if (probe !== undefined) return probe
  // What each has of its link to the broker goes for its other links too, and on the way through the broker both are used.
  return Math.min(from.birth.linkMbps ?? UNLIMITED_MBPS, to.birth.linkMbps ?? UNLIMITED_MBPS)
}

function probeOf(from: PlanWorker, to: PlanWorker): number | undefined {
  return from.links?.find(link => link.to === to.birth.worker)?.mbps
}

/** The planner has one figure for all links: this one makes none worse than it is. */
function leastRttMs(workers: readonly PlanWorker[]): number {
  const known = workers.flatMap(({ birth, links = [] }) => [
    ...(birth.linkRttMs === undefined ? [] : [birth.linkRttMs]),
    ...links.map(({ rttMs }) => rttMs),
  ])
  return known.length === 0 ? 0 : Math.min(...known)
}
