import test from 'ava'
import { parseCluster } from '../../../core/cluster-file.js'
import { MillraceError } from '../../../core/errors.js'
import { changedCluster } from '../../../core/planner/index.js'

const CLUSTER = parseCluster({
  dispatcher: 'hub',
  devices: ['hub', 'a', 'b'].map(id => ({ id, speed: 1, cores: 1, memoryMiB: 512 })),
  bandwidthMbps: [
    [0, 100, 50],
    [100, 0, 20],
    [40, 10, 0],
  ],
})

test('what if - devices are added with the links of the one that they are like', t => {
  const { devices, bandwidthMbps } = changedCluster(CLUSTER, 'add 2 x b')
  t.deepEqual(
    devices.map(({ id }) => id),
    ['hub', 'a', 'b', 'b-x2', 'b-x3'],
  )
  t.deepEqual(bandwidthMbps, [
    [0, 100, 50, 50, 50],
    [100, 0, 20, 20, 20],
    [40, 10, 0, 40, 40],
    [40, 10, 40, 0, 40],
    [40, 10, 40, 40, 0],
  ])
})

test('what if - several changes are made in their order', t => {
  const changed = changedCluster(CLUSTER, 'without a, b speed 0.5, b memory 64, links 18')
  t.deepEqual(changed.devices.slice(1), [{ id: 'b', speed: 0.5, cores: 1, memoryMiB: 64 }])
  t.deepEqual(changed.bandwidthMbps, [
    [0, 18],
    [18, 0],
  ])
  t.is(CLUSTER.devices.length, 3)
})

for (const [change, says] of [
  ['make it fast', /'make it fast' is no change.*add N x DEVICE/],
  ['without c', /no device has the id 'c'; there are hub, a, b/],
  ['without hub', /dispatcher/],
  ['add 0 x a', /1 to 100/],
  ['a speed 0', /cannot have 0/],
] as const) {
  test(`what if - '${change}' is refused`, t => {
    const error = t.throws(() => changedCluster(CLUSTER, change), { instanceOf: MillraceError })
    t.is(error.code, 'OPTION_INVALID')
    t.regex(error.message, says)
  })
}
