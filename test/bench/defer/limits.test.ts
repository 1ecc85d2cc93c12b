import test from 'ava'
import { chainOf, memoryFactorsOf } from '../../../core/costs/index.js'
import { memoryBytes, type PlanProblem } from '../../../core/planner/index.js'
import { evenCosts } from '../../support/costs.js'
import { equalCuts, memoryForShare } from './limits.js'

const MIB = 2 ** 20

test('equal layers - are as many blocks in each part, give or take one, whatever they take', t => {
  const costs = evenCosts(10, 5)
  t.deepEqual(equalCuts(costs, 2), [5])
  t.deepEqual(equalCuts(costs, 4), [2, 5, 7])
  t.deepEqual(equalCuts(costs, 99), [1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('memory for a share of the weights - takes parts with that share, and none with more', t => {
  const even = evenCosts(8, 5)
  const heavy = {
    ...even,
    blocks: even.blocks.map((one, i) => (i < 6 ? one : { ...one, weightBytes: 20e6 })),
  }
  const bytes = MIB * memoryForShare(heavy, 'f32', 0.25)
  const problem: PlanProblem = {
    ...{ chain: chainOf(heavy), ...memoryFactorsOf(heavy), devices: [], replicas: true },
    network: { rates: [], messageMs: 0, dispatcherSendRate: 0, dispatcherReceiveRate: 0 },
  }
  // Of 100 MB.
  t.true(memoryBytes(problem, 0, 2) <= bytes)
  t.true(memoryBytes(problem, 6, 7) <= bytes)
  t.true(memoryBytes(problem, 0, 3) > bytes)
  t.true(memoryBytes(problem, 5, 7) > bytes)
})

test('memory for a share of the weights - takes a block that has more than that alone', t => {
  const even = evenCosts(4, 5)
  const heavy = {
    ...even,
    blocks: even.blocks.map((one, i) => (i < 3 ? one : { ...one, weightBytes: 70e6 })),
  }
  const [block, process] = [70e6 + 1e6, 99e6]
  t.true(MIB * memoryForShare(heavy, 'f32', 0.25) >= block + process)
})
