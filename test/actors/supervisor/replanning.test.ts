import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { filter } from 'rxjs'
import { costsFileName, writeCosts } from '../../../actors/profiler/index.js'
import { type SupervisorOptions } from '../../../actors/supervisor/index.js'
import {
  Beat,
  type DispatcherReport,
  encodeControl,
  Findings,
  type Plan,
  type Spec,
} from '../../../core/control/index.js'
import { hear, inTurns, testFolder, TOPICS, until } from '../../support/actors.js'
import { costsOf, MODEL, type Puppet, supervising } from '../../support/supervising.js'

const SPEED = { convGflops: 10, matmulGflops: 20 }

function workersOf({ stages }: Plan): string[] {
  return stages.map(({ worker }) => worker)
}

/** A model of six blocks of 20 ms on so many workers. */
async function deployed(
  t: ExecutionContext,
  workers: number,
  spec: Partial<Spec>,
  options: Partial<SupervisorOptions> = {},
) {
  const setting = await supervising(t)
  const profileDir = await testFolder(t)
  const costs = costsOf(MODEL)
  await writeCosts(join(profileDir, costsFileName({ sha256: costs.model.sha256, ...costs })), costs)
  const more = { measureSpeed: () => Promise.resolve(SPEED) }
  const settings = { profileDir, replanIntervalMs: 1, ...options }
  const start = (id: string) => setting.start(id, settings, undefined, more)
  const { supervisor, store } = await start('one')
  const join_ = (id: string, times = 1) => {
    const speed = { convGflops: times * 10, matmulGflops: times * 20 }
    return setting.puppet(id, {}, { speed, memoryBytes: 2 ** 34, inbox: `mqtt://10.0.0.1:1/${id}` })
  }
  const puppets = []
  for (let i = 1; i <= workers; i++) puppets.push(await join_(`w${i}`))
  await setting.ask('d1', { replicas: false, ...spec })
  t.is(await setting.ends('d1'), 'ready')
  const plan = await until(setting.plans)
  const after = setting.plans.pipe(filter(({ epoch }) => epoch > plan.epoch))
  return { ...setting, start, supervisor, store, puppets, plan, after, join: join_ }
}

test('a link that frames find slow - is gone round, by a plan that is made anew', async t => {
  const { puppets, plan, after } = await deployed(t, 2, {})
  const [first] = puppets
  const [from = '', to = ''] = workersOf(plan)
  t.is(from, 'w1')
  if (first === undefined) return t.fail()
  first.links = [{ to, mbps: 1_000, rttMs: 1 }]
  await first.give({})
  const counts = { frames: 9, failures: 0, waiting: 0, running: 0, runMs: 9, bytesIn: 9, bytesOut: 9 }
  const { pipeline, epoch } = plan
  const deliveries = [{ to, mbps: 0.02, ms: 400, agoMs: 0 }]
  first.progress = () => [{ pipeline, epoch, stage: 0, replica: 0, link: 'peer', ...counts, deliveries }]
  const next = await until(after)
  t.is(next.reason, 'worker changed')
  t.is(new Set(workersOf(next)).size, 1)
})

test('a worker that joins - the model is cut anew for it, and what was there goes on until dispatchers have left', async t => {
  const { user, puppets, plan, after, join, statuses } = await deployed(t, 2, {})
  t.deepEqual(plan.cuts, [3])
  const report = (epoch: number, draining: number[]) => {
    const frames = { admitted: 1, predicted: 0, dropped: 0, failed: 0, inFlight: 1 }
    const about = { dispatcher: 'd', pipeline: 'p', closed: false, at: 1, fps: 0, frames }
    const message: DispatcherReport = { ...about, epoch, draining }
    return user.publish(TOPICS.pipeline.report('p', 'd'), encodeControl(message), { qos: 1 })
  }
  await report(plan.epoch, [])
  const third = await join('w3')
  const better = await until(after)
  await report(better.epoch, [plan.epoch])
  t.like(better, { reason: 'worker joined', handover: 'drain', cuts: [2, 4], deployment: 'd1' })
  t.deepEqual(workersOf(better).sort(), ['w1', 'w2', 'w3'])
  t.true((better.predicted?.fps ?? 0) > 1.4 * (plan.predicted?.fps ?? Infinity))
  t.deepEqual(
    third.desired.map(({ epoch }) => epoch),
    [better.epoch],
  )
  const epochs = () => new Set(puppets.flatMap(({ desired }) => desired.map(({ epoch }) => epoch)))
  t.deepEqual(epochs(), new Set([plan.epoch, better.epoch]))
  await report(better.epoch, [])
  await inTurns(() => epochs().size === 1)
  t.deepEqual(epochs(), new Set([better.epoch]))
  await until(statuses, one => one.epoch === better.epoch && one.reason === 'worker joined')
})

test('a worker that joins - takes over parts of a pipeline whose number of partitions was asked for', async t => {
  const { puppets, plan, after, join } = await deployed(t, 3, { partitions: 3 })
  await puppets[0]?.die()
  const mended = await until(after)
  t.is(new Set(workersOf(mended)).size, 2)
  await join('w9')
  const better = await until(after, one => one.handover === 'drain')
  t.deepEqual(workersOf(better).sort(), ['w2', 'w3', 'w9'])
  t.deepEqual([better.cuts, better.asked], [plan.cuts, plan.asked])
  const kept = mended.stages.filter(({ stage, worker }) => better.stages[stage]?.worker === worker)
  t.is(kept.length, 2)
})

test('a worker that is back - has its part again, by another supervisor without the model too', async t => {
  const { supervisor, start, puppets, after, join } = await deployed(t, 3, { partitions: 3 })
  await puppets[0]?.die()
  const mended = await until(after)
  await supervisor.stop()
  await start('two')
  await join('w1')
  const better = await until(after, ({ epoch }) => epoch > mended.epoch)
  t.deepEqual(workersOf(better).sort(), ['w1', 'w2', 'w3'])
})

test('a worker that joins - changes nothing where it is excluded, too slow to matter, or planning anew is off', async t => {
  const { plans, join, ask, ends, statuses } = await deployed(t, 2, { exclude: ['w3'] })
  const known: Plan[] = []
  plans.subscribe(plan => known.push(plan))
  await join('w3')
  await join('w4', 0.05)
  // What is asked for later is done later.
  await ask('d2', { exclude: ['w3', 'w4'] })
  t.is(await ends('d2'), 'ready')
  t.deepEqual(
    known.map(({ reason }) => reason),
    ['deployed', 'deployed'],
  )
  await until(statuses, ({ deployment }) => deployment === 'd2')

  const off = await deployed(t, 2, {}, { replanIntervalMs: 0 })
  const all: Plan[] = []
  off.plans.subscribe(plan => all.push(plan))
  const third = await off.join('w3')
  await inTurns(() => third.prefetch.length > 0)
  t.is(all.length, 1)
})

test('planning anew - a loss comes first, and what was being loaded is given up', async t => {
  const { puppet, puppets, after, plan } = await deployed(t, 2, {})
  const loading = await puppet('w3', { state: 'loading' }, { speed: SPEED, memoryBytes: 2 ** 34 })
  await inTurns(() => loading.desired.length > 0)
  const given = loading.desired[0]?.epoch
  await puppets[0]?.die()
  await inTurns(() => loading.desired.length > 0 && loading.desired.every(({ epoch }) => epoch !== given))
  await loading.give({ state: 'ready' })
  const mended = await until(after)
  t.is(mended.handover, 'replay')
  t.deepEqual(mended.cuts, plan.cuts)
})

/** Has workers tell how far they are: 20 frames a second, each of so many ms, on a clock that may be faster than time. */
function working(
  { stages, epoch }: Plan,
  puppets: readonly Puppet[],
  msOf: (worker: string) => number,
  haste = 1,
) {
  const started = Date.now()
  const passed = () => haste * (Date.now() - started)
  for (const [i, puppet] of puppets.entries()) {
    const worker = `w${i + 1}`
    const mine = stages.filter(one => one.worker === worker)
    puppet.clock = () => started + passed()
    puppet.progress = () => {
      const frames = Math.floor(passed() / 50)
      const counts = { frames, runMs: frames * msOf(worker), failures: 0, waiting: 1, running: 1 }
      const more = { bytesIn: 0, bytesOut: 0, link: 'peer' as const }
      return mine.map(({ stage, replica }) => ({ pipeline: 'p', epoch, stage, replica, ...counts, ...more }))
    }
  }
}

test('a slow worker - gets less to do, and it is told which one it is and why', async t => {
  const { user, puppets, plan, after } = await deployed(t, 3, {})
  const findings = await hear(user, TOPICS.supervisor.findings, Findings)
  working(plan, puppets, worker => (worker === 'w2' ? 400 : 40))
  const better = await until(after)
  t.like(better, { reason: 'worker slow', handover: 'drain' })
  t.false(workersOf(better).includes('w2'))
  const found = await until(findings, one => one.findings.length > 0)
  t.like(found.findings[0], { worker: 'w2', code: 'WORKER_SLOW', slowdown: 10 })
})

test('a stalled worker - its stage is moved', async t => {
  const { puppets, plan, after, statuses } = await deployed(t, 3, { partitions: 3 }, { stalledAfterMs: 500 })
  working(plan, puppets, () => 1)
  const [, second] = puppets
  const hung = second?.progress() ?? []
  if (second !== undefined) second.progress = () => hung
  const mended = await until(after)
  t.like(mended, { reason: 'worker stalled', handover: 'replay' })
  t.false(workersOf(mended).includes('w2'))
  await until(statuses, one => one.state === 'degraded' && one.error?.code === 'WORKER_STALLED')
})

test('parts that frames show to be uneven - are made even, on the same workers, unless cuts were asked for', async t => {
  const { puppets, plan, after } = await deployed(t, 2, { partitions: 2 })
  t.deepEqual(plan.cuts, [3])
  working(plan, puppets, worker => (worker === 'w1' ? 48 : 24), 50)
  const better = await until(after)
  t.like(better, { reason: 'parts uneven', handover: 'drain', cuts: [2], asked: plan.asked })
  t.deepEqual(workersOf(better), workersOf(plan))
  // Two blocks of 16 ms, and four of 8; and what goes with each hop.
  t.true(Math.abs((better.predicted?.bottleneckMs ?? 0) - 32) < 1, `${better.predicted?.bottleneckMs}`)

  const asked = await deployed(t, 2, { partitions: 2, cuts: [2] })
  const known: Plan[] = []
  asked.plans.subscribe(one => known.push(one))
  working(asked.plan, asked.puppets, worker => (worker === 'w1' ? 24 : 48), 50)
  const beats = await hear(asked.user, TOPICS.worker.beats, Beat)
  await until(beats, ({ actors }) => (actors[0]?.frames ?? 0) > 1_200)
  t.deepEqual(known.length, 1)
})
