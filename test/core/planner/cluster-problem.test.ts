import test from 'ava'
import { parseCluster } from '../../../core/cluster-file.js'
import { clusterProblem, loadsOf } from '../../../core/planner/index.js'

const BLOCK = { computeMs: 10, weightBytes: 0, activationBytes: 0 }
const crossing = (bytes: number) => ({ bytes, tensors: 1, sendMs: 0, receiveMs: 0 })
const CHAIN = { blocks: [BLOCK, BLOCK], crossings: [crossing(12_500), crossing(25_000), crossing(0)] }
const WORKER = { processBytes: 1, weightFactor: 1, messageMs: 0.5 }

/** The dispatcher is in the middle, and devices differ in everything. */
const CLUSTER = parseCluster({
  dispatcher: 'hub',
  devices: [
    { id: 'a', speed: 0.5, cores: 1, memoryMiB: 1 },
    { id: 'hub', speed: 1, cores: 1, memoryMiB: 2 },
    { id: 'b', speed: 2, cores: 1, memoryMiB: 3 },
  ],
  bandwidthMbps: [
    [0, 10, 2],
    [1, 0, 4],
    [8, 16, 0],
  ],
})

test('a cluster as a problem - devices and links keep their figures, the dispatcher comes last', t => {
  const problem = clusterProblem(CHAIN, CLUSTER, WORKER, { replicas: false })
  t.deepEqual(problem.devices, [
    { id: 'a', speed: 0.5, memoryBytes: 2 ** 20, sendRate: 1_250, receiveRate: 1_000 },
    { id: 'b', speed: 2, memoryBytes: 3 * 2 ** 20, sendRate: 2_000, receiveRate: 500 },
  ])
  t.deepEqual(problem.network.rates, [
    [0, 250, 1_250],
    [1_000, 0, 2_000],
    [125, 500, 0],
  ])
  t.deepEqual([problem.network.dispatcherSendRate, problem.network.dispatcherReceiveRate], [500, 2_000])
})

test('a cluster as a problem - a frame takes what bytes, bandwidth and speed come to', t => {
  const problem = clusterProblem(CHAIN, CLUSTER, WORKER, { replicas: false })
  const loads = loadsOf(problem, [
    { from: 0, to: 1, devices: [0] },
    { from: 1, to: 2, devices: [1] },
  ])
  const ms = (kind: string, from?: number) =>
    loads.find(({ resource }) => resource.kind === kind && (!('from' in resource) || resource.from === from))
      ?.ms
  // 12,500 bytes over 1 Mbit/s; 25,000 over 2 Mbit/s; and half a millisecond each.
  t.deepEqual([ms('link', 2), ms('link', 0), ms('link', 1)], [100.5, 100.5, 0.5])
  t.is(ms('device'), 20)
})

test('a cluster as a problem - who is left out runs nothing', t => {
  const problem = clusterProblem(CHAIN, CLUSTER, WORKER, { replicas: true, excluded: ['a'] })
  t.deepEqual(
    problem.devices.map(({ id }) => id),
    ['b'],
  )
  t.deepEqual(problem.network.rates, [
    [0, 2_000],
    [500, 0],
  ])
  t.true(problem.replicas)
})
