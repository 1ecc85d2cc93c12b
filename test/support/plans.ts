import { type Crossing, type PlannedStage, type PlanProblem } from '../../core/planner/problem.js'
import { type Random, randomOf } from '../../core/synthetic/index.js'

/** 1 block per ms of `computeMs`, devices of one speed, and links that cost nothing; each crossing has a byte. */
export function plainProblem(computeMs: readonly number[], devices: number): PlanProblem {
  const crossing: Crossing = { bytes: 1, tensors: 1, sendMs: 0, receiveMs: 0 }
  return {
    chain: {
      blocks: computeMs.map(ms => ({ computeMs: ms, weightBytes: 0, activationBytes: 0 })),
      crossings: Array.from({ length: computeMs.length + 1 }, () => crossing),
    },
    devices: Array.from({ length: devices }, (_, i) => ({
      id: `d${i}`,
      speed: 1,
      memoryBytes: 1e9,
      sendRate: Infinity,
      receiveRate: Infinity,
    })),
    network: {
      rates: Array.from({ length: devices + 1 }, () => Array.from({ length: devices + 1 }, () => Infinity)),
      messageMs: 0,
      dispatcherSendRate: Infinity,
      dispatcherReceiveRate: Infinity,
    },
    processBytes: 0,
    weightFactor: 1,
    replicas: true,
  }
}

/** 2 to 8 unequal devices on which compute, links or cards decide, whichever it happens to be. */
export function randomProblem(random: Random, devices = 2 + random.below(7)): PlanProblem {
  const between = (least: number, most: number) => least + (most - least) * random.uniform()
  const blocks = devices + random.below(12)
  const sendRates = Array.from({ length: devices + 1 }, () => between(50, 2_000))
  const receiveRates = sendRates.map(() => between(50, 2_000))
  return {
    chain: {
      blocks: Array.from({ length: blocks }, () => ({
        computeMs: between(0.1, 20),
        weightBytes: 0,
        activationBytes: 0,
      })),
      crossings: Array.from({ length: blocks + 1 }, () => ({
        bytes: between(10, 3_000),
        tensors: 1,
        sendMs: between(0, 1),
        receiveMs: between(0, 1),
      })),
    },
    devices: sendRates.slice(0, devices).map((sendRate, i) => ({
      id: `d${i}`,
      speed: between(0.2, 4),
      memoryBytes: 1e9,
      sendRate,
      receiveRate: receiveRates[i] ?? 0,
    })),
    network: {
      // No link is faster than the cards at its ends.
      rates: sendRates.map(sent => receiveRates.map(received => Math.min(sent, received) * between(0.3, 1))),
      messageMs: between(0, 2),
      dispatcherSendRate: sendRates[devices] ?? 0,
      dispatcherReceiveRate: receiveRates[devices] ?? 0,
    },
    processBytes: 0,
    weightFactor: 1,
    replicas: true,
  }
}

/** A plan of any number of stages, on any of the devices; with replicas, several devices in some of them. */
export function randomPlan(
  { chain, devices }: PlanProblem,
  random: Random,
  replicas: boolean,
): PlannedStage[] {
  const order = devices.map((_, i) => i)
  for (let i = order.length - 1; i > 0; i--) swap(order, i, random.below(i + 1))
  const count = 1 + random.below(Math.min(devices.length, chain.blocks.length))
  const inner = chain.blocks.slice(1).map((_, i) => i + 1)
  for (let i = inner.length - 1; i > 0; i--) swap(inner, i, random.below(i + 1))
  const edges = [0, ...inner.slice(0, count - 1).sort((a, b) => a - b), chain.blocks.length]
  const hosts: number[][] = edges.slice(1).map(() => [order.pop() ?? 0])
  if (replicas) for (const device of order) hosts[random.below(count)]?.push(device)
  return hosts.map((hosts, i) => ({
    from: edges[i] ?? 0,
    to: edges[i + 1] ?? 0,
    devices: hosts.sort((a, b) => a - b),
  }))
}

/** The same for the same seed. */
export function randomCase(
  seed: number,
  replicas: boolean,
): { problem: PlanProblem; stages: PlannedStage[] } {
  const random = randomOf('plans', seed)
  const problem = randomProblem(random)
  return { problem, stages: randomPlan(problem, random, replicas) }
}

function swap(items: number[], i: number, j: number): void {
  const item = items[i] ?? 0
  items[i] = items[j] ?? 0
  items[j] = item
}
