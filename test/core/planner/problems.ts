import fc from 'fast-check'
import { randomOf } from '../../../core/synthetic/index.js'
import { type PlanDevice, type PlanProblem } from '../../../core/planner/problem.js'

const sizes = { minDevices: 1, maxDevices: 5, minBlocks: 1, maxBlocks: 13 }

/** Small whole numbers, so that ties are frequent; links that are missing, and memory that is short. */
export function problems({
  minDevices,
  maxDevices,
  minBlocks,
  maxBlocks,
} = sizes): fc.Arbitrary<PlanProblem> {
  return fc
    .record({
      devices: fc.integer({ min: minDevices, max: maxDevices }),
      blocks: fc.integer({ min: minBlocks, max: maxBlocks }),
    })
    .chain(({ devices, blocks }) =>
      fc.record({
        chain: fc.record({
          blocks: fc.array(block, { minLength: blocks, maxLength: blocks }),
          crossings: fc.array(crossing, { minLength: blocks + 1, maxLength: blocks + 1 }),
        }),
        devices: fc
          .array(device, { minLength: devices, maxLength: devices })
          .map(all => all.map((each, i) => ({ ...each, id: `worker-${(i * 7) % 10}` }))),
        network: network(devices),
        processBytes: fc.nat({ max: 5 }),
        weightFactor: fc.constantFrom(1, 1.5),
        replicas: fc.boolean(),
      }),
    )
}

/** Finer than whole numbers, and coarse enough that what is not a tie is none within any tolerance. */
const fraction = fc.nat({ max: 20 * 1_024 }).map(parts => parts / 1_024)

const block = fc.record({
  computeMs: fc.oneof(fc.nat({ max: 20 }), fraction),
  weightBytes: fc.nat({ max: 9 }),
  activationBytes: fc.nat({ max: 9 }),
})

const crossing = fc.record({
  bytes: fc.nat({ max: 30 }),
  tensors: fc.constant(1),
  sendMs: fc.constantFrom(0, 0, 1, 2.5),
  receiveMs: fc.constantFrom(0, 0, 1, 3.5),
})

const card = fc.constantFrom(Infinity, Infinity, 2, 5)

const device: fc.Arbitrary<PlanDevice> = fc.record({
  id: fc.constant(''),
  speed: fc.constantFrom(0.25, 0.5, 1, 1, 2),
  memoryBytes: fc.oneof(fc.integer({ min: 15, max: 50 }), fc.constant(1000)),
  sendRate: card,
  receiveRate: card,
})

const rate = fc.oneof(
  { weight: 1, arbitrary: fc.constant(0) },
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 9 }) },
  { weight: 1, arbitrary: fc.constant(Infinity) },
)

function network(devices: number): fc.Arbitrary<PlanProblem['network']> {
  const row = fc.array(rate, { minLength: devices + 1, maxLength: devices + 1 })
  return fc.record({
    rates: fc.array(row, { minLength: devices + 1, maxLength: devices + 1 }),
    messageMs: fc.constantFrom(0, 0.5, 2),
    dispatcherSendRate: card,
    dispatcherReceiveRate: card,
  })
}

/** The same problem with its devices listed in another order: device i of the answer is device `order[i]` of the given. */
export function relisted(problem: PlanProblem, order: readonly number[]): PlanProblem {
  const { devices, network } = problem
  const all = [...order, devices.length]
  return {
    ...problem,
    devices: order.flatMap(i => devices[i] ?? []),
    network: { ...network, rates: all.map(from => all.map(to => network.rates[from]?.[to] ?? 0)) },
    pinned: new Map([...(problem.pinned ?? [])].map(([at, of]) => [at, order.indexOf(of)])),
  }
}

export const pinnedProblems = problems({ minDevices: 2, maxDevices: 4, minBlocks: 2, maxBlocks: 7 }).chain(
  problem => {
    const block = fc.nat({ max: problem.chain.blocks.length - 1 })
    const device = fc.nat({ max: problem.devices.length - 1 })
    return fc
      .array(fc.tuple(block, device), { minLength: 1, maxLength: 3 })
      .map((pins): PlanProblem => ({ ...problem, pinned: new Map(pins) }))
  },
)

/** Four blocks of 10 ms, and 110 bytes of memory each alone, 10 more for each other; 100 bytes between devices. */
export function smallProblem(of: { devices: number; rate: number; memoryBytes: number }): PlanProblem {
  const indices = Array.from({ length: of.devices }, (_, i) => i)
  const free = { bytes: 0, tensors: 1, sendMs: 0, receiveMs: 0 }
  const between = { ...free, bytes: 100 }
  return {
    chain: {
      blocks: Array.from({ length: 4 }, () => ({ computeMs: 10, weightBytes: 10, activationBytes: 0 })),
      crossings: [free, between, between, between, free],
    },
    devices: indices.map(i => ({
      id: `w${i}`,
      speed: 1,
      memoryBytes: of.memoryBytes,
      sendRate: Infinity,
      receiveRate: Infinity,
    })),
    network: {
      rates: [...indices, -1].map(from => [...indices, -1].map(to => (from < 0 || to < 0 ? 1 : of.rate))),
      messageMs: 0,
      dispatcherSendRate: Infinity,
      dispatcherReceiveRate: Infinity,
    },
    processBytes: 100,
    weightFactor: 1,
    replicas: false,
  }
}

/** Unequal devices and links at the scale of small computers on Ethernet, and a network of a hundred layers. */
export function clusterOf(of: { devices: number; blocks: number; seed: number }): PlanProblem {
  const random = randomOf('cluster', of.seed)
  const uniform = () => random.uniform()
  const list = <T>(length: number, each: (i: number) => T) => Array.from({ length }, (_, i) => each(i))
  return {
    chain: {
      blocks: list(of.blocks, () => ({
        computeMs: 20 * uniform() ** 3,
        weightBytes: Math.floor(8e6 * uniform()),
        activationBytes: Math.floor(3e6 * uniform()),
      })),
      crossings: list(of.blocks + 1, () => {
        const bytes = Math.floor(1e4 + 1.5e6 * uniform() ** 2)
        return { bytes, tensors: 1, sendMs: bytes * 2e-6, receiveMs: bytes * 2e-6 }
      }),
    },
    devices: list(of.devices, i => ({
      id: `w${i}`,
      speed: 0.2 + uniform(),
      memoryBytes: 2e8 + 4e8 * uniform(),
      sendRate: 12_500,
      receiveRate: 12_500,
    })),
    network: {
      rates: list(of.devices + 1, () => list(of.devices + 1, () => 500 + 12_000 * uniform())),
      messageMs: 0.5,
      dispatcherSendRate: 125_000,
      dispatcherReceiveRate: 125_000,
    },
    processBytes: 3e7,
    weightFactor: 1.3,
    replicas: false,
  }
}
