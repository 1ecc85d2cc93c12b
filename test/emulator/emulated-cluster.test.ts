import test, { type ExecutionContext } from 'ava'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { EmulatedCluster } from '../../actors/bin/emulator/index.js'
import { type ClusterDescription, parseCluster } from '../../core/cluster-file.js'
import { MillraceError } from '../../core/errors.js'
import { hostLinks, leftOf, scriptIn, throughput, whyNotEmulated } from '../support/emulation.js'

const BUSY_MS = 2_000

const device = (id: string, speed = 0.3, memoryMiB = 256) => ({ id, speed, cores: 1, memoryMiB })
const DESCRIPTION = parseCluster({
  dispatcher: 'hub',
  devices: [device('hub'), device('a'), device('b')],
  bandwidthMbps: [
    [0, 20, 20],
    [20, 0, 5],
    [20, 20, 0],
  ],
})

/** A cluster that goes with the test; undefined where there can be none. */
async function emulate(
  t: ExecutionContext,
  description: ClusterDescription = DESCRIPTION,
): Promise<EmulatedCluster | undefined> {
  const reason = whyNotEmulated()
  if (reason !== undefined) {
    t.pass()
    t.log(`not tested here: ${reason}`)
    return undefined
  }
  const cluster = await EmulatedCluster.create(description)
  t.teardown(() => cluster.destroy())
  return cluster
}

function runOf(cluster: EmulatedCluster): string {
  return /emulated-([0-9a-f]+)/.exec(cluster.record)?.[1] ?? ''
}

function near(t: ExecutionContext, value: number | undefined, expected: number, tolerance: number): void {
  t.true(Math.abs((value ?? NaN) / expected - 1) <= tolerance, `${value} instead of ${expected}`)
}

/** Cores that a device used, while something else goes on for a while. */
async function coresUsed(cluster: EmulatedCluster, id: string): Promise<number> {
  const usage = async () => {
    const { seconds, devices } = await cluster.report()
    return { seconds, cpuSeconds: devices.find(device => device.id === id)?.cpuSeconds ?? 0 }
  }
  const before = await usage()
  await setTimeout(BUSY_MS)
  const after = await usage()
  return (after.cpuSeconds - before.cpuSeconds) / (after.seconds - before.seconds)
}

test.serial(
  'emulated cluster - links carry what they are said to, each way, and other figures while in use',
  async t => {
    const cluster = await emulate(t)
    if (cluster === undefined) return
    const [fast] = await throughput(cluster, 'b', ['a'], 3e6)
    near(t, fast, 20, 0.15)
    const [slow] = await throughput(cluster, 'a', ['b'], 1e6)
    near(t, slow, 5, 0.15)
    const faster = DESCRIPTION.bandwidthMbps.map((row, i) => (i === 1 ? [20, 0, 40] : row))
    await cluster.change({ ...DESCRIPTION, bandwidthMbps: faster })
    const [changed] = await throughput(cluster, 'a', ['b'], 6e6)
    near(t, changed, 40, 0.15)
    const { links } = await cluster.report()
    const sent = (from: string, to: string) =>
      links.find(link => link.from === from && link.to === to)?.bytes ?? 0
    // With headers, and what TCP sends again.
    t.true(sent('b', 'a') > 3e6 && sent('b', 'a') < 3.6e6, String(sent('b', 'a')))
    t.true(sent('a', 'b') > 7e6 && sent('a', 'b') < 8e6, String(sent('a', 'b')))
    t.is(sent('a', 'hub'), 0)
  },
)

test.serial(
  'emulated cluster - a device that another cannot reach loses what it is sent, until it can be',
  async t => {
    const closed = DESCRIPTION.bandwidthMbps.map((row, i) => (i === 1 ? [20, 0, 0] : row))
    const cluster = await emulate(t, { ...DESCRIPTION, bandwidthMbps: closed })
    if (cluster === undefined) return
    const to = (device: string) =>
      `require('node:net').connect({ host: '${cluster.address(device)}', port: 9, timeout: 1500 })
      .on('timeout', () => process.exit(7)).on('error', error => process.exit(error.code === 'ECONNREFUSED' ? 8 : 9))`
    const outcome = async (device: string) => {
      const [code] = (await once(scriptIn(cluster, 'a', to(device)), 'exit')) as [number | null]
      return code
    }
    t.is(await outcome('b'), 7, 'nothing answers')
    t.is(await outcome('hub'), 8, 'the port is refused, so the device is reached')
    await cluster.change(DESCRIPTION)
    t.is(await outcome('b'), 8)
  },
)

test.serial('emulated cluster - a device that sends to two shares its link between them', async t => {
  const cluster = await emulate(t)
  if (cluster === undefined) return
  const rates = await throughput(cluster, 'hub', ['a', 'b'], 2e6)
  near(
    t,
    rates.reduce((sum, rate) => sum + rate, 0),
    20,
    0.2,
  )
  for (const rate of rates) near(t, rate, 10, 0.4)
})

test.serial(
  'emulated cluster - a busy device has its quota of the processor, and another while it runs',
  async t => {
    const cluster = await emulate(t)
    if (cluster === undefined) return
    const busy = scriptIn(cluster, 'a', 'console.log(1); for (;;);')
    await once(busy.stdout, 'data')
    near(t, await coresUsed(cluster, 'a'), 0.3, 0.1)
    const [hub = device('hub'), , b = device('b')] = DESCRIPTION.devices
    await cluster.change({ ...DESCRIPTION, devices: [hub, device('a', 0.05), b] })
    near(t, await coresUsed(cluster, 'a'), 0.05, 0.1)
    const { devices } = await cluster.report()
    const [, a] = devices
    t.is(a?.quotaCores, 0.05)
    // Of what both quotas allowed, while each held.
    t.true((a?.quotaShare ?? 0) > 0.7 && (a?.quotaShare ?? 0) <= 1.1, String(a?.quotaShare))
  },
)

test.serial(
  'emulated cluster - a process above the memory of its device is killed, and no other',
  async t => {
    const cluster = await emulate(t)
    if (cluster === undefined) return
    const other = scriptIn(cluster, 'b', 'console.log(1); setInterval(() => {}, 1e6)')
    const greedy = scriptIn(
      cluster,
      'a',
      'const all = []; setInterval(() => all.push(Buffer.alloc(2 ** 24, 1)), 1)',
    )
    const [code, signal] = (await once(greedy, 'exit')) as [number | null, string | null]
    t.deepEqual([code, signal], [null, 'SIGKILL'])
    const [, a, b] = (await cluster.report()).devices
    t.true((a?.oomKills ?? 0) >= 1)
    near(t, a?.peakBytes ?? 2 ** 28, 2 ** 28, 0.1)
    t.deepEqual([b?.oomKills, other.exitCode, other.signalCode], [0, null, null])
  },
)

test.serial('emulated cluster - processes see their device alone', async t => {
  const cluster = await emulate(t)
  if (cluster === undefined) return
  const script = `const { networkInterfaces } = require('node:os')
    console.log(JSON.stringify(Object.values(networkInterfaces()).flat().map(({ address }) => address)))`
  const [data] = (await once(scriptIn(cluster, 'b', script).stdout, 'data')) as [Buffer]
  const addresses = JSON.parse(data.toString()) as string[]
  t.deepEqual(
    addresses.filter(address => address !== '::1').sort(),
    [cluster.address('b'), '127.0.0.1'].sort(),
  )
})

test.serial('emulated cluster - at its end all that was made is gone, with what ran in it', async t => {
  const links = hostLinks()
  const cluster = await emulate(t)
  if (cluster === undefined) return
  const run = runOf(cluster)
  t.true(leftOf(run).length > 3)
  t.deepEqual(hostLinks(), links)
  const running = scriptIn(cluster, 'a', 'console.log(1); setInterval(() => {}, 1e6)')
  await once(running.stdout, 'data')
  const ended = once(running, 'exit')
  await cluster.destroy()
  t.is((await ended)[1], 'SIGKILL')
  t.deepEqual(leftOf(run), [])
  // Idempotent.
  await cluster.destroy()
})

test.serial(
  'emulated cluster - what cannot change while it runs is refused, and nothing changes',
  async t => {
    const cluster = await emulate(t)
    if (cluster === undefined) return
    const [hub = device('hub'), a = device('a')] = DESCRIPTION.devices
    const changes = [
      { ...DESCRIPTION, devices: [hub, a, device('c')] },
      { ...DESCRIPTION, dispatcher: 'a' },
      { ...DESCRIPTION, rttMs: 5 },
      { ...DESCRIPTION, devices: [hub, device('a', 0.0001), device('b', 0.1)] },
    ]
    for (const change of changes) {
      const error = await t.throwsAsync(cluster.change(change), { instanceOf: MillraceError })
      t.is(error.code, 'CLUSTER_INVALID')
    }
    t.deepEqual(
      (await cluster.report()).devices.map(({ quotaCores }) => quotaCores),
      [0.3, 0.3, 0.3],
    )
  },
)

test('emulated cluster - a device that no quota is small enough for is refused by its name', async t => {
  const devices = [device('hub'), device('snail', 0.0005)]
  const description = parseCluster({ dispatcher: 'hub', devices, links: { mbps: 1 } })
  const error = await t.throwsAsync(EmulatedCluster.create(description), { instanceOf: MillraceError })
  t.is(error.code, 'CLUSTER_INVALID')
  t.regex(error.message, /snail/)
})
