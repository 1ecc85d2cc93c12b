import fc from 'fast-check'
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

const block = fc.record({
  computeMs: fc.oneof(fc.nat({ max: 20 }), fc.double({ min: 0, max: 20, noNaN: true })),
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
