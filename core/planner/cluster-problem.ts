import { type ClusterDescription } from '../cluster-file.js'
import { type Chain, type PlanProblem } from './problem.js'

/** 1 Mbit/s in bytes per ms. */
const BYTES_PER_MS = 125

export interface WorkerCosts {
  /** As in `PlanProblem`. */
  readonly processBytes: number
  readonly weightFactor: number
  /** Time that a message takes beside its bytes, and beside half of the round trip, in ms. */
  readonly messageMs: number
}

export interface PlanLimits {
  readonly replicas: boolean
  /** Ids of devices that are to run nothing. */
  readonly excluded?: readonly string[]
}

/** A model on the devices of a cluster, except its dispatcher's, as a problem for the planner. */
export function clusterProblem(
  chain: Chain,
  cluster: ClusterDescription,
  costs: WorkerCosts,
  { replicas, excluded = [] }: PlanLimits,
): PlanProblem {
  const all = cluster.devices.map(({ id }, index) => ({ id, index }))
  const working = all.filter(({ id }) => id !== cluster.dispatcher && !excluded.includes(id))
  const dispatcher = all.filter(({ id }) => id === cluster.dispatcher)
  const order = [...working, ...dispatcher].map(({ index }) => index)
  const rates = order.map(from => order.map(to => BYTES_PER_MS * (cluster.bandwidthMbps[from]?.[to] ?? 0)))
  // A card is as fast as the fastest link that it is part of, which is what the emulator makes of it.
  const sendRates = rates.map(row => Math.max(...row))
  const receiveRates = rates.map((_, to) => Math.max(...rates.map(row => row[to] ?? 0)))
  const devices = working.map(({ id, index }, i) => {
    const { speed = 1, memoryMiB = 0 } = cluster.devices[index] ?? {}
    const [sendRate = 0, receiveRate = 0] = [sendRates[i], receiveRates[i]]
    return { id, speed, memoryBytes: memoryMiB * 2 ** 20, sendRate, receiveRate }
  })
  return {
    chain,
    devices,
    network: {
      rates,
      messageMs: costs.messageMs,
      dispatcherSendRate: sendRates.at(-1) ?? 0,
      dispatcherReceiveRate: receiveRates.at(-1) ?? 0,
    },
    processBytes: costs.processBytes,
    weightFactor: costs.weightFactor,
    replicas,
  }
}
