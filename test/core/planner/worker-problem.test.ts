import test from 'ava'
import { type Birth } from '../../../core/control/index.js'
import { type PlanWorker, type WorkerLimits, workersProblem } from '../../../core/planner/index.js'

const BLOCK = { computeMs: 10, weightBytes: 0, activationBytes: 0 }
const CROSSING = { bytes: 1_000, tensors: 1, sendMs: 0, receiveMs: 0 }
const CHAIN = { blocks: [BLOCK], crossings: [CROSSING, CROSSING] }
const COSTS = { processBytes: 100, weightFactor: 2 }
const UNLIMITED = 10_000 * 125

function worker(id: string, about: Partial<Birth> = {}, more: Omit<PlanWorker, 'birth'> = {}): PlanWorker {
  const birth = { worker: id, incarnation: 1, cores: 4, memoryBytes: 1_000, bornAt: 1, inbox: 'mqtt://x:1' }
  return { birth: { ...birth, ...about }, ...more }
}

function problemOf(workers: readonly PlanWorker[], limits: Partial<WorkerLimits> = {}) {
  return workersProblem(CHAIN, workers, COSTS, { replicas: false, straight: true, ...limits })
}

/** From w1 to w2 and back, in 10^6 bit/s. */
function between(a: PlanWorker, b: PlanWorker, limits: Partial<WorkerLimits> = {}) {
  const { rates } = problemOf([a, b], limits).network
  return [(rates[0]?.[1] ?? 0) / 125, (rates[1]?.[0] ?? 0) / 125]
}

test('workers as a problem - who has measured nothing is as fast as the supervisor, with all its memory, and near', t => {
  const { devices, network, processBytes, weightFactor } = problemOf([worker('w1'), worker('w2')])
  const card = { sendRate: UNLIMITED, receiveRate: UNLIMITED }
  t.deepEqual(devices, [
    { id: 'w1', speed: 1, memoryBytes: 1_000, ...card },
    { id: 'w2', speed: 1, memoryBytes: 1_000, ...card },
  ])
  t.deepEqual(network.rates, [
    [0, UNLIMITED, UNLIMITED],
    [UNLIMITED, 0, UNLIMITED],
    [UNLIMITED, UNLIMITED, 0],
  ])
  t.is(network.messageMs, 0)
  t.deepEqual([processBytes, weightFactor], [100, 2])
})

test("workers as a problem - speeds are relative to the supervisor's", t => {
  const own = { convGflops: 20, matmulGflops: 40 }
  const workers = [
    worker('w1', { speed: { convGflops: 10, matmulGflops: 20 } }),
    worker('w2', { speed: { convGflops: 80, matmulGflops: 40 } }),
    worker('w3'),
  ]
  t.deepEqual(
    problemOf(workers, { speed: own }).devices.map(({ speed }) => speed),
    [0.5, 2, 1],
  )
  t.deepEqual(
    problemOf(workers).devices.map(({ speed }) => speed),
    [1, 1, 1],
  )
})

test('workers as a problem - memory is what is left of what a worker may give', t => {
  const workers = [
    worker('w1', { availableBytes: 600 }),
    worker('w2', { availableBytes: 600 }, { takenBytes: 250 }),
    worker('w3', {}, { takenBytes: 1_500 }),
  ]
  t.deepEqual(
    problemOf(workers).devices.map(({ memoryBytes }) => memoryBytes),
    [600, 350, 0],
  )
})

test('workers as a problem - a link is as its probe says, from either end; otherwise as the slower of the two to the broker', t => {
  const [fast, slow] = [worker('w1', { linkMbps: 90 }), worker('w2', { linkMbps: 20 })]
  t.deepEqual(between(fast, slow), [20, 20])
  t.deepEqual(between(worker('w1'), slow), [20, 20])
  const probed = worker('w1', { linkMbps: 90 }, { links: [{ to: 'w2', mbps: 50, rttMs: 1 }] })
  t.deepEqual(between(probed, slow), [50, 50])
  const back = worker('w2', { linkMbps: 20 }, { links: [{ to: 'w1', mbps: 40, rttMs: 1 }] })
  t.deepEqual(between(probed, back), [50, 40])
})

test('workers as a problem - where frames go through the broker, its links count and probes do not', t => {
  const probed = worker('w1', { linkMbps: 90 }, { links: [{ to: 'w2', mbps: 500, rttMs: 1 }] })
  const other = worker('w2', { linkMbps: 80 })
  t.deepEqual(between(probed, other, { straight: false }), [80, 80])
  // Nobody reaches who has no inbox.
  const { inbox: _, ...closed } = other.birth
  t.deepEqual(between(probed, { birth: closed }), [80, 500])
})

test('workers as a problem - input and results take the links to the broker', t => {
  const { rates, dispatcherSendRate } = problemOf([
    worker('w1', { linkMbps: 8 }),
    worker('w2', { linkMbps: 16 }),
  ]).network
  t.deepEqual(rates[2], [1_000, 2_000, 0])
  t.deepEqual([rates[0]?.[2], rates[1]?.[2]], [1_000, 2_000])
  t.is(dispatcherSendRate, 2_000)
})

test('workers as a problem - a message takes half of the shortest way there and back', t => {
  const workers = [
    worker('w1', { linkRttMs: 6 }),
    worker('w2', { linkRttMs: 9 }, { links: [{ to: 'w1', mbps: 1, rttMs: 4 }] }),
  ]
  t.is(problemOf(workers).network.messageMs, 2)
})

test('workers as a problem - who is excluded is not in it, and no name is taken for the dispatcher', t => {
  const workers = [worker('dispatcher'), worker('w1'), worker('broker')]
  t.deepEqual(
    problemOf(workers, { excluded: ['w1'] }).devices.map(({ id }) => id),
    ['dispatcher', 'broker'],
  )
})
