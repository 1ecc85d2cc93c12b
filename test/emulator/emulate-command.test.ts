import test, { type ExecutionContext } from 'ava'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type EmulationReport } from '../../actors/bin/emulator/index.js'
import { CliRun, millrace } from '../support/cli.js'
import { hostLinks, leftOf, whyNotEmulated } from '../support/emulation.js'
import { inCheckout } from '../support/index.js'

const DIGITS = inCheckout('examples/digits/digits.onnx')
const LIMIT_MS = 20_000
const folder = mkdtempSync(join(tmpdir(), 'millrace-emulate-'))
test.after.always(() => rmSync(folder, { recursive: true }))

/** A cluster file of a dispatcher and two devices. */
function clusterFile(name: string, speed = 0.3, links = '{ mbps: 100 }'): string {
  const device = (id: string, of: number) => `  - { id: ${id}, speed: ${of}, cores: 1, memoryMiB: 1024 }`
  const devices = [device('hub', 0.8), device('a', speed), device('b', speed)]
  const path = join(folder, name)
  writeFileSync(path, `dispatcher: hub\ndevices:\n${devices.join('\n')}\nlinks: ${links}\n`)
  return path
}

const CLUSTER = clusterFile('cluster.yaml')
/** Prints the record of the emulated cluster, and goes on. */
const WAIT = ['sh', '-c', 'echo "$MILLRACE_EMULATED_CLUSTER"; sleep 1000; true']

/** Whether there is nothing to test; says so then. */
function absent(t: ExecutionContext): boolean {
  const reason = whyNotEmulated()
  if (reason === undefined) return false
  t.pass()
  t.log(`not tested here: ${reason}`)
  return true
}

function runIn(line: string): string {
  return /emulated-([0-9a-f]+)/.exec(line)?.[1] ?? 'none'
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + LIMIT_MS
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`${what} did not come`)
    await setTimeout(20)
  }
}

interface RunSummary {
  readonly frames: Readonly<Record<string, number>>
  readonly verify: { readonly maxRelativeError: number }
  readonly stages: readonly { readonly worker: string; readonly link: string }[]
}

/** Sends frames through two devices, and checks what comes of them. */
async function runOnTwo(t: ExecutionContext, cluster: string) {
  const report = join(folder, `${randomUUID()}.json`)
  const command = ['millrace', 'run', DIGITS, '--partitions', '2', '--frames', '40', '--json']
  const ended = await millrace(['emulate', cluster, '--report', report, '--', ...command])
  t.is(ended.status, 0, ended.stderr)
  const { frames, verify, stages } = JSON.parse(ended.stdout) as RunSummary
  t.like(frames, { admitted: 40, predicted: 40, duplicates: 0, misordered: 0 })
  t.true(verify.maxRelativeError <= 1e-4)
  const used = JSON.parse(readFileSync(report, 'utf8')) as EmulationReport
  return { ended, ...used, stages: stages.map(({ worker, link }) => [worker, link]) }
}

function bytesBetween(links: EmulationReport['links'], from: string, to: string): number {
  return links.find(link => link.from === from && link.to === to)?.bytes ?? 0
}

test.serial(
  'emulate - a command has its own output and exit status, and what was used is said beside them',
  async t => {
    if (absent(t)) return
    const report = join(folder, 'report.json')
    const command = ['sh', '-c', 'echo "$0 $1 $MILLRACE_EMULATED_CLUSTER"; exit 3', '--json', '--help']
    const before = hostLinks()
    const ended = await millrace(['emulate', CLUSTER, '--json', '--report', report, '--', ...command])
    t.is(ended.status, 3, ended.stderr)
    t.regex(ended.stdout, /^--json --help \/run\/.*\.json\n$/)
    const written = JSON.parse(readFileSync(report, 'utf8')) as EmulationReport
    t.deepEqual(JSON.parse(ended.stderr), written)
    t.deepEqual(
      written.devices.map(({ id, quotaCores }) => [id, quotaCores]),
      [
        ['hub', 0.8],
        ['a', 0.3],
        ['b', 0.3],
      ],
    )
    t.deepEqual(leftOf(runIn(ended.stdout)), [])
    t.deepEqual(hostLinks(), before)
    t.deepEqual([ended.processes, ended.files], [[], []])
  },
)

test.serial(
  'emulate - a run puts one worker on each device, and the data goes from device to device',
  async t => {
    if (absent(t)) return
    const { ended, devices, links, stages } = await runOnTwo(t, CLUSTER)
    t.deepEqual(stages, [
      ['a', 'peer'],
      ['b', 'broker'],
    ])
    t.notRegex(ended.stderr, /LINK_FALLBACK/)
    const [, ...working] = devices
    for (const { id, cpuSeconds, quotaShare, peakBytes, sentBytes, receivedBytes } of working) {
      // A worker and its runtime are two processes of Node.js.
      t.true(
        cpuSeconds > 0.3 && (peakBytes ?? 2 ** 30) > 40 * 2 ** 20,
        `${id}: ${cpuSeconds} s, ${peakBytes} bytes`,
      )
      t.true(quotaShare <= 1.1, `${id}: ${quotaShare}`)
      t.true(
        sentBytes > 30 * 1_000 && receivedBytes > 30 * 1_000,
        `${id}: ${sentBytes} and ${receivedBytes} bytes`,
      )
    }
    t.true(bytesBetween(links, 'a', 'b') > 40 * 1_000)
    // For people, both as tables.
    t.regex(ended.stderr, /^device +cores .*\n[- ]+\nhub .*\na .*\nb /m)
    t.regex(ended.stderr, /^MB from \\ to +hub +a +b\n/m)
    t.deepEqual([ended.processes, ended.files], [[], []])
  },
)

test.serial('emulate - more workers than devices, or a broker for everybody, are refused', async t => {
  if (absent(t)) return
  const many = await millrace(['emulate', CLUSTER, '--', 'millrace', 'run', DIGITS, '--workers', '3'])
  t.is(many.status, 2)
  t.regex(many.stderr, /^error OPTION_INVALID: .*2 devices/m)
  const open = await millrace(['emulate', CLUSTER, '--', 'millrace', 'up', '--port', '0'])
  t.is(open.status, 1)
  t.regex(open.stderr, /^error BROKER_EXPOSED: .*10\.99\.0\.1/m)
  const nested = await millrace(['emulate', CLUSTER, '--', 'millrace', 'emulate', CLUSTER, '--', 'true'])
  t.is(nested.status, 1)
  t.regex(nested.stderr, /^error EMULATOR_UNAVAILABLE: /m)
})

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test.serial(`emulate - ${signal} stops the command and leaves nothing`, async t => {
    if (absent(t)) return
    const run = new CliRun(['emulate', CLUSTER, '--', ...WAIT])
    const id = runIn(await run.firstLine())
    t.true(leftOf(id).length > 0)
    run.signal(signal)
    const ended = await run.ended
    t.is(ended.status, status)
    t.deepEqual(leftOf(id), [])
    t.deepEqual([ended.processes, ended.files], [[], []])
  })
}

test.serial('emulate - at any moment, SIGINT leaves nothing', async t => {
  if (absent(t)) return
  const before = new Set(leftOf('mr-'))
  for (const ms of [300, 450, 600, 750]) {
    const run = new CliRun(['emulate', CLUSTER, '--', ...WAIT])
    const timer = globalThis.setTimeout(() => run.signal('SIGINT'), ms)
    const { status, processes } = await run.ended
    clearTimeout(timer)
    // Before its handlers are there, a process ends by the signal itself.
    t.true(status === 130 || status === null, String(status))
    t.deepEqual(processes, [])
  }
  // Other emulators of this machine may have come and gone meanwhile.
  const left = () => leftOf('mr-').filter(name => !before.has(name))
  await until(() => left().length === 0, 'the end of all runs')
  t.pass()
})

test.serial('emulate - what a run leaves that was killed, the next one removes', async t => {
  if (absent(t)) return
  const run = new CliRun(['emulate', CLUSTER, '--', ...WAIT])
  const id = runIn(await run.firstLine())
  const living = await millrace(['emulate', CLUSTER, '--', 'true'])
  t.is(living.status, 0, living.stderr)
  t.true(leftOf(id).length > 0, 'another run removed what one that lives had made')
  run.signal('SIGKILL')
  await until(() => run.descendants(' emulate ').length === 0, 'the end of the emulator')
  const next = await millrace(['emulate', CLUSTER, '--', 'true'])
  t.is(next.status, 0, next.stderr)
  t.deepEqual(leftOf(id), [])
  // With the command, which had gone on.
  await run.gone()
  t.is((await run.ended).status, null)
})

test.serial(
  'emulate - whoever changes the cluster file changes the devices, while the command runs',
  async t => {
    if (absent(t)) return
    const file = clusterFile('changing.yaml')
    const report = join(folder, 'changed.json')
    const run = new CliRun(['emulate', file, '--report', report, '--', ...WAIT])
    await run.firstLine()
    writeFileSync(file, 'devices: 7\n')
    await until(() => run.stderr.includes('warning CLUSTER_INVALID: '), 'the refusal')
    clusterFile('changing.yaml', 0.1)
    await until(() => run.stderr.includes('changing.yaml was read again'), 'the change')
    const { status } = await run.stop()
    t.is(status, 130)
    const { devices } = JSON.parse(readFileSync(report, 'utf8')) as EmulationReport
    t.deepEqual(
      devices.map(({ quotaCores }) => quotaCores),
      [0.8, 0.1, 0.1],
    )
  },
)

test('emulate - a cluster file that is none is refused before anything is made', async t => {
  const { status, stderr } = await millrace(['emulate', join(folder, 'none.yaml'), '--', 'true'])
  t.is(status, 1)
  t.regex(stderr, /^error CLUSTER_INVALID: .*none\.yaml/)
  const without = await millrace(['emulate', CLUSTER])
  t.is(without.status, 2)
  t.regex(without.stderr, /^error OPTION_INVALID: .*command/)
})

test('emulate - who is not root is told so', async t => {
  if (process.geteuid?.() === 0) {
    t.pass()
    return t.log('not tested here: the user is root')
  }
  const { status, stderr } = await millrace(['emulate', CLUSTER, '--', 'true'])
  t.is(status, 1)
  t.regex(stderr, /^error EMULATOR_UNAVAILABLE: /)
})

test.serial(
  'emulate - frames of devices that cannot reach each other go through the broker, which is said',
  async t => {
    if (absent(t)) return
    const closed = '{ mbps: 100, overrides: [{ between: [a, b], mbps: 0 }] }'
    const { ended, links, stages } = await runOnTwo(t, clusterFile('closed.yaml', 0.3, closed))
    t.deepEqual(stages, [
      ['a', 'broker'],
      ['b', 'broker'],
    ])
    t.is(bytesBetween(links, 'a', 'b'), 0)
    t.regex(ended.stderr, /LINK_FALLBACK: stage 0 on 'a' does not reach stage 1 on 'b'/)
  },
)
