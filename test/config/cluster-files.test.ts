import test from 'ava'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readClusterFile } from '../../config/cluster-files.js'
import { workingDevices } from '../../core/cluster-file.js'
import { MillraceError } from '../../core/errors.js'
import { inCheckout } from '../support/index.js'

const SAMPLES = inCheckout('config/clusters')
const folder = mkdtempSync(join(tmpdir(), 'millrace-cluster-files-'))
test.after.always(() => rmSync(folder, { recursive: true }))

function sampleFiles(): string[] {
  return readdirSync(SAMPLES)
    .filter(name => name.endsWith('.yaml'))
    .sort()
}

/** Too much for one machine to emulate. */
const FOR_PLANS = 'eight-pi.yaml'

test('cluster files - the samples are eight devices on five kinds of link, and unequal ones', async t => {
  const samples = sampleFiles()
  const speeds = [1000, 100, 18, 6.8, 2.9]
  const names = ['1gbit', '100mbit', '18mbit', '6.8mbit', '2.9mbit'].map(link => `eight-pi-${link}.yaml`)
  t.deepEqual(samples, [FOR_PLANS, ...names, 'unequal.yaml'].sort())
  for (const [i, name] of names.entries()) {
    const cluster = await readClusterFile(join(SAMPLES, name))
    t.is(workingDevices(cluster).length, 8)
    t.deepEqual([...new Set(cluster.bandwidthMbps.flat())].sort(), [0, speeds[i]])
  }
  const unequal = await readClusterFile(join(SAMPLES, 'unequal.yaml'))
  t.true(new Set(workingDevices(unequal).map(({ speed }) => speed)).size > 2)
})

test('cluster files - all devices of a sample fit on a machine of two cores together', async t => {
  for (const name of sampleFiles().filter(name => name !== FOR_PLANS)) {
    const { devices } = await readClusterFile(join(SAMPLES, name))
    const total = devices.reduce((sum, { speed, cores }) => sum + speed * cores, 0)
    t.true(total <= 2 + 1e-9, `${name}: ${total}`)
  }
})

test('cluster files - JSON is read too', async t => {
  const path = join(folder, 'cluster.json')
  const device = { speed: 1, cores: 1, memoryMiB: 1 }
  const devices = [
    { id: 'a', ...device },
    { id: 'b', ...device },
  ]
  writeFileSync(path, JSON.stringify({ dispatcher: 'a', devices, links: { mbps: 7 } }, null, '\t'))
  t.deepEqual((await readClusterFile(path)).bandwidthMbps, [
    [0, 7],
    [7, 0],
  ])
})

const faults = {
  'that does not exist': [undefined, /none\.yaml.*ENOENT/],
  'that is no YAML': ['devices: [', /is not YAML/],
  'that describes something else': ['name: digits', /devices/],
} as const

for (const [what, [content, says]] of Object.entries(faults)) {
  test(`cluster files - one ${what} is refused by its name`, async t => {
    const path = join(folder, content === undefined ? 'none.yaml' : `${what}.yaml`)
    if (content !== undefined) writeFileSync(path, content)
    const error = await t.throwsAsync(readClusterFile(path), { instanceOf: MillraceError })
    t.is(error.code, 'CLUSTER_INVALID')
    t.regex(error.message, says)
    t.true(error.message.includes(what) || error.message.includes('none.yaml'))
  })
}
