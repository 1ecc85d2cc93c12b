import test from 'ava'
import { firstValueFrom, Subject } from 'rxjs'
import { serveFaults } from '../../actors/faults/index.js'
import { embedded } from '../../config/index.js'
import { faultsOf } from '../../config/faults.js'
import { type Fault } from '../../core/faults.js'
import { rejection } from '../support/actors.js'
import { DIGITS_MODEL } from '../support/digits-frames.js'

test('a fault - is refused where none is allowed, with what to do; and so is a stage that is not there', async t => {
  t.timeout(120_000)
  const cluster = await embedded({ workers: 2 })
  t.teardown(() => cluster.close())
  const pipeline = await cluster.deploy(DIGITS_MODEL, { partitions: 2 })
  const inject = faultsOf(cluster, pipeline)
  t.is(await rejection(inject.kill(2)), 'OPTION_INVALID')
  t.is(await rejection(inject.cut('first', 'last', 100)), 'OPTION_INVALID')
  const refused = await Promise.all(
    [inject.kill('first'), inject.slow(1, 2), inject.restartBroker()].map(rejection),
  )
  t.deepEqual(refused, ['FAULTS_REFUSED', 'FAULTS_REFUSED', 'FAULTS_REFUSED'])
})

test('a poison - is ordered again from a worker that was not there to hear of it', async t => {
  t.timeout(120_000)
  const cluster = await embedded({ workers: 1 })
  t.teardown(() => cluster.close())
  const pipeline = await cluster.deploy(DIGITS_MODEL, { partitions: 1 })
  const { control, topics } = cluster
  const { stages } = await firstValueFrom(pipeline.plan$)
  const topic = topics.fault.worker(stages[0]?.worker ?? '')
  const unheard = new Subject<void>()
  const deaf = await control.subscribe(topic, () => unheard.next(), { qos: 1 })
  const lost = firstValueFrom(unheard)
  const poisoned = faultsOf(cluster, pipeline).poison('first', { stream: 's', sequence: 7 })
  await lost
  await deaf.close()
  const suffered: Fault[] = []
  await serveFaults(control, topics, topic, fault => {
    suffered.push(fault)
    return {}
  })
  t.like(await poisoned, { fault: 'poison', stage: 0 })
  t.like(suffered[0], { type: 'poison', stream: 's', sequence: 7 })
})
