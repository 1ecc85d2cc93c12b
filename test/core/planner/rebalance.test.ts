import test from 'ava'
import fc from 'fast-check'
import {
  bottleneckOf,
  busiestMs,
  joined,
  type PlannedStage,
  type PlanProblem,
  rebalanced,
} from '../../../core/planner/index.js'
import { problems } from './problems.js'

const FREE = { bytes: 0, tensors: 1, sendMs: 0, receiveMs: 0 }
const always = () => true

/** Blocks of 10 ms, each a part, on devices of these speeds, with links that take no time. */
function line(blocks: number, speeds: readonly number[]): PlanProblem {
  const rates = [...speeds, 1].map(() => [...speeds, 1].map(() => Infinity))
  const block = { computeMs: 10, weightBytes: 1, activationBytes: 0 }
  return {
    chain: {
      blocks: Array.from({ length: blocks }, () => block),
      crossings: Array.from({ length: blocks + 1 }, () => FREE),
    },
    devices: speeds.map((speed, i) => {
      return { id: `w${i}`, speed, memoryBytes: 100, sendRate: Infinity, receiveRate: Infinity }
    }),
    network: { rates, messageMs: 0, dispatcherSendRate: Infinity, dispatcherReceiveRate: Infinity },
    processBytes: 0,
    weightFactor: 1,
    replicas: false,
  }
}

function on(...hosts: number[]): PlannedStage[] {
  return hosts.map((device, i) => ({ from: i, to: i + 1, devices: [device] }))
}

function hosts(parts: readonly PlannedStage[]): number[] {
  return parts.map(({ devices }) => devices[0] ?? NaN)
}

test('moving parts - as few as help go to a device that has nothing to do', t => {
  const problem = line(3, [1, 1, 1])
  t.deepEqual(hosts(rebalanced(problem, on(0, 0, 2), always)), [1, 0, 2])
  t.deepEqual(hosts(rebalanced(problem, on(2, 0, 1), always)), [2, 0, 1])
})

test('moving parts - a device that is slow is left, also by all of its parts', t => {
  t.deepEqual(hosts(rebalanced(line(3, [1, 0.2, 1, 1]), on(0, 1, 2), always)), [0, 3, 2])
  t.false(hosts(rebalanced(line(4, [1, 0.1, 1]), on(0, 1, 1, 2), always)).includes(1))
})

test('moving parts - none goes where it has no room', t => {
  const fits = (parts: readonly PlannedStage[]) => !hosts(parts).includes(1)
  t.deepEqual(hosts(rebalanced(line(2, [1, 1]), on(0, 0), fits)), [0, 0])
})

test('parts on one device - count together, wherever in the line they are', t => {
  const problem = line(3, [1, 1])
  t.is(busiestMs(problem, on(0, 1, 0)), 20)
  t.is(busiestMs(problem, on(0, 0, 1)), 20)
  t.deepEqual(joined(on(0, 0, 1)), [
    { from: 0, to: 2, devices: [0] },
    { from: 2, to: 3, devices: [1] },
  ])
})

test('shares - a stage says them, or they follow from speeds', t => {
  const problem = line(1, [1, 0.25])
  const [stage] = on(0)
  const both = { ...stage, from: 0, to: 1, devices: [0, 1] }
  t.is(busiestMs(problem, [both]), 8)
  t.is(busiestMs(problem, [{ ...both, shares: [0.5, 0.5] }]), 20)
})

test('moving parts - makes nothing worse, and says of devices of their own what the planner does', t => {
  fc.assert(
    fc.property(problems(), fc.infiniteStream(fc.nat()), (problem, picks) => {
      const parts = problem.chain.blocks.map((_, i) => {
        return { from: i, to: i + 1, devices: [(picks.next().value ?? 0) % problem.devices.length] }
      })
      const before = busiestMs(problem, parts)
      const after = busiestMs(problem, rebalanced(problem, parts, always))
      // The cost that it goes by weighs all resources.
      t.true(after <= before * 1.6 || before === Infinity)
      const whole = [{ from: 0, to: problem.chain.blocks.length, devices: [0] }]
      t.is(busiestMs(problem, whole), bottleneckOf(problem, whole).ms)
    }),
  )
})
