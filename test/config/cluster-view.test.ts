import test, { type ExecutionContext } from 'ava'
import { type ClusterView } from '../../config/cluster-view.js'
import { ClusterWatch, viewCluster } from '../../config/cluster-watch.js'
import {
  type Beat,
  type Birth,
  type DispatcherReport,
  encodeControl,
  type Leader,
  type PipelineStatus,
} from '../../core/control/index.js'
import { inTurns, testBroker, TOPICS } from '../support/actors.js'
import { planOf } from '../support/dispatching.js'

async function setting(t: ExecutionContext) {
  const { connect, broker } = await testBroker(t)
  const bus = await connect('viewer')
  const publish = (topic: string, message: unknown, retain = false) =>
    bus.publish(topic, encodeControl(message), { qos: 1, retain })
  const bear = (worker: string, incarnation = 1) => {
    const birth: Birth = { worker, incarnation, cores: 1, memoryBytes: 1, bornAt: 1 }
    return publish(TOPICS.worker.birth(worker), birth, true)
  }
  const say = (pipeline: string, change: Partial<PipelineStatus> = {}) => {
    const status: PipelineStatus = { pipeline, deployment: 'd', state: 'ready', epoch: 1, ...change }
    return publish(TOPICS.pipeline.status(pipeline), status, true)
  }
  const beat = (worker: string, at: number, frames?: number, change: Partial<Beat> = {}) => {
    const counts = { frames: frames ?? 0, failures: 1, waiting: 2, running: 1, runMs: 3 * (frames ?? 0) }
    const bytes = { bytesIn: 10 * counts.frames, bytesOut: 20 * counts.frames }
    const actor = {
      pipeline: 'p',
      epoch: 1,
      stage: 0,
      replica: 0,
      ...counts,
      ...bytes,
      link: 'peer' as const,
    }
    const actors = frames === undefined ? [] : [actor]
    const message: Beat = { worker, incarnation: 1, at, rssBytes: 5, actors, ...change }
    return publish(TOPICS.worker.beat(worker), message)
  }
  const report = (dispatcher: string, fps: number, latencyMs?: DispatcherReport['latencyMs']) => {
    const frames = { admitted: 10, predicted: 5, dropped: 2, failed: 1, inFlight: 2 }
    const latency = latencyMs === undefined ? {} : { latencyMs }
    const epochs = { epoch: 1, draining: [], closed: false }
    const message: DispatcherReport = { dispatcher, pipeline: 'p', ...epochs, at: 1, frames, fps, ...latency }
    return publish(TOPICS.pipeline.report('p', dispatcher), message)
  }
  /** Its clock is the test's. */
  const watch = async (clock: { now: number }) => {
    const opened = await ClusterWatch.open(bus, TOPICS, () => clock.now)
    t.teardown(() => opened.close())
    const shown = async (test: (view: ClusterView) => boolean) => {
      await inTurns(() => test(opened.view()))
      return opened.view()
    }
    return { opened, shown }
  }
  return { broker, bus, publish, bear, say, beat, report, watch }
}

test('the view of a cluster - lists workers and pipelines in the natural order of their names', async t => {
  const { bus, bear, say } = await setting(t)
  for (const worker of ['w10', 'w2', 'w1']) await bear(worker)
  for (const pipeline of ['net-2', 'net-10', 'digits']) await say(pipeline)
  const { workers, pipelines } = await viewCluster(bus, TOPICS)
  t.deepEqual(
    workers.map(({ worker, state }) => [worker, state]),
    [
      ['w1', 'silent'],
      ['w2', 'silent'],
      ['w10', 'silent'],
    ],
  )
  t.deepEqual(
    pipelines.map(({ pipeline, fps, dispatchers }) => [pipeline, fps, dispatchers.length]),
    [
      ['digits', 0, 0],
      ['net-2', 0, 0],
      ['net-10', 0, 0],
    ],
  )
})

test('the view of a cluster - has rates of stages from beats, and those of pipelines from dispatchers', async t => {
  const { bear, say, beat, report, watch, publish } = await setting(t)
  const leader: Leader = { term: 2, supervisor: 's' }
  await publish(TOPICS.supervisor.leader, leader, true)
  await bear('w1')
  await say('p', { state: 'degraded', error: { code: 'WORKER_LOST', message: 'w2 is gone' } })
  await publish(TOPICS.pipeline.plan('p'), planOf(1), true)
  const { shown, opened } = await watch({ now: 0 })
  await beat('w1', 1_000, 10, { cpuMs: 100 })
  await beat('w1', 3_000, 50, { cpuMs: 1_100 })
  await report('d-1', 7, { p50: 5, p99: 60 })
  await report('d-2', 3, { p50: 9, p99: 20 })
  await report('d-3', 0)
  const view = await shown(({ pipelines }) => pipelines[0]?.dispatchers.length === 3)
  t.deepEqual(view.leader, leader)
  t.like(view.workers[0], { worker: 'w1', state: 'alive', rssBytes: 5, cpuPercent: 50 })
  t.like(view.pipelines[0], {
    pipeline: 'p',
    state: 'degraded',
    error: { code: 'WORKER_LOST' },
    stages: 1,
    fps: 10,
    latencyMs: { p50: 9, p99: 60 },
    frames: { admitted: 30, predicted: 15, dropped: 6, failed: 3, inFlight: 6 },
  })
  t.deepEqual(view.stages, [
    {
      ...{
        pipeline: 'p',
        epoch: 1,
        version: '0'.repeat(12),
        stage: 0,
        replica: 0,
        worker: 'w1',
        link: 'peer',
      },
      ...{ frames: 50, failures: 1, waiting: 2 },
      ...{ framesPerSecond: 20, msPerFrame: 3, bytesInPerSecond: 200, bytesOutPerSecond: 400 },
    },
  ])
  t.false(opened.settled)
})

test('the view of a cluster - lists every replica of a stage, and counts the stage once', async t => {
  const { bear, say, beat, watch, publish } = await setting(t)
  await bear('w1')
  await say('p')
  const plan = planOf(1)
  const stages = plan.stages.flatMap(stage => [
    { ...stage, link: 'peer' as const },
    { ...stage, replica: 1, worker: 'w2' },
    { ...stage, stage: 1, worker: 'w3' },
  ])
  await publish(TOPICS.pipeline.plan('p'), { ...plan, stages }, true)
  const { shown } = await watch({ now: 0 })
  await beat('w1', 1_000, 10)
  const view = await shown(({ stages }) => stages[0]?.frames === 10)
  t.is(view.pipelines[0]?.stages, 2)
  t.deepEqual(
    view.stages.map(({ stage, replica, worker, frames }) => [stage, replica, worker, frames]),
    [
      [0, 0, 'w1', 10],
      [0, 1, 'w2', undefined],
      [1, 0, 'w3', undefined],
    ],
  )
})

test('the view of a cluster - forgets the rates of those who are silent, and who left', async t => {
  const { bear, say, beat, report, watch, publish, bus } = await setting(t)
  await bear('w1')
  await bear('w2')
  await say('p')
  await publish(TOPICS.pipeline.plan('p'), planOf(1), true)
  const clock = { now: 0 }
  const { shown, opened } = await watch(clock)
  await beat('w1', 1_000, 10)
  await report('d-1', 7)
  await shown(({ pipelines, workers }) => pipelines[0]?.fps === 7 && workers[0]?.state === 'alive')
  clock.now = 3_001
  const { workers, pipelines, stages } = opened.view()
  t.deepEqual(
    workers.map(({ state }) => state),
    ['silent', 'silent'],
  )
  t.is(pipelines[0]?.fps, 0)
  t.is(stages[0]?.frames, undefined)
  await beat('w1', 9_000, 10, { incarnation: 2 })
  await bus.publish(TOPICS.worker.birth('w2'), new Uint8Array(), { qos: 1, retain: true })
  await bus.publish(TOPICS.pipeline.plan('p'), new Uint8Array(), { qos: 1, retain: true })
  const after = await shown(view => view.stages.length === 0)
  // A beat of an incarnation whose birth is not known yet says nothing of the one before.
  t.deepEqual(
    after.workers.map(({ worker, state }) => [worker, state]),
    [['w1', 'silent']],
  )
  clock.now += 10_000
  t.true(opened.settled, 'it waits no longer for workers that do not beat')
})

test('the view of a cluster - what is no message changes nothing', async t => {
  const { bear, watch, publish, report } = await setting(t)
  await bear('w1')
  const { shown } = await watch({ now: 0 })
  await publish(TOPICS.worker.birth('w1'), { worker: 'W/1' })
  await publish(TOPICS.worker.beat('w1'), 'hello')
  await publish(TOPICS.pipeline.report('other', 'd'), { pipeline: 'p' })
  await report('d', 1)
  await publish(TOPICS.worker.birth('w9'), {
    worker: 'w9',
    incarnation: 1,
    cores: 1,
    memoryBytes: 1,
    bornAt: 1,
  })
  const { workers } = await shown(view => view.workers.length === 2)
  t.deepEqual(
    workers.map(({ worker }) => worker),
    ['w1', 'w9'],
  )
})
