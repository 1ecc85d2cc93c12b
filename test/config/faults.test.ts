import test from 'ava'
import { embedded } from '../../config/index.js'
import { faultsOf } from '../../config/faults.js'
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
