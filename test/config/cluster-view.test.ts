import test from 'ava'
import { viewCluster } from '../../config/cluster-watch.js'
import { type Birth, encodeControl, type PipelineStatus } from '../../core/control.js'
import { testBroker, TOPICS } from '../support/actors.js'

test('the view of a cluster - lists workers and pipelines in the natural order of their names', async t => {
  const bus = await (await testBroker(t)).connect('viewer')
  const retain = (topic: string, message: unknown) =>
    bus.publish(topic, encodeControl(message), { qos: 1, retain: true })
  for (const worker of ['w10', 'w2', 'w1']) {
    const birth: Birth = { worker, incarnation: 1, cores: 1, memoryBytes: 1, bornAt: 1 }
    await retain(TOPICS.worker.birth(worker), birth)
  }
  for (const pipeline of ['net-2', 'net-10', 'digits']) {
    const status: PipelineStatus = { pipeline, deployment: 'd', state: 'ready', epoch: 1 }
    await retain(TOPICS.pipeline.status(pipeline), status)
  }
  const { workers, pipelines } = await viewCluster(bus, TOPICS)
  t.deepEqual(
    workers.map(({ worker }) => worker),
    ['w1', 'w2', 'w10'],
  )
  t.deepEqual(
    pipelines.map(({ pipeline }) => pipeline),
    ['digits', 'net-2', 'net-10'],
  )
})
