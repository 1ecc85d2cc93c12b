import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { statusText } from '../../../../actors/bin/status/status-text.js'
import { startBroker } from '../../../../broker/index.js'
import { type ClusterView } from '../../../../config/cluster-view.js'
import { type Birth, encodeControl } from '../../../../core/control/index.js'
import { inTurns, TOPICS } from '../../../support/actors.js'
import { CliRun, millrace } from '../../../support/cli.js'
import { inCheckout } from '../../../support/index.js'
import { processesWith } from '../../../support/processes.js'

const ENTRY = inCheckout('dist/actors/bin/millrace.js')
const COLUMNS = 60

async function brokerWith(t: ExecutionContext, port: number, workers: number) {
  const broker = await startBroker({ port })
  t.teardown(() => broker.close())
  const bus = await broker.connect({ clientId: 'test' })
  t.teardown(() => bus.close())
  for (let i = 1; i <= workers; i++) {
    const worker = `a-worker-with-a-name-that-is-much-too-long-for-a-narrow-one-${i}`
    const birth: Birth = { worker, incarnation: 1, cores: 4, memoryBytes: 1e9, bornAt: 1 }
    await bus.publish(TOPICS.worker.birth(worker), encodeControl(birth), { qos: 1, retain: true })
  }
  return broker
}

const VIEW: ClusterView = {
  leader: { term: 1, supervisor: 's' },
  workers: [
    {
      ...{ worker: 'w1', state: 'alive', cores: 4, memoryBytes: 8e9, rssBytes: 2.5e8, cpuPercent: 61.2 },
      actors: [],
    },
    {
      ...{ worker: 'w2', state: 'alive', cores: 4, memoryBytes: 8e9, actors: [] },
      finding: { code: 'WORKER_SLOW', message: 'takes 4 times as long as usual', slowdown: 4 },
    },
  ],
  pipelines: [
    {
      ...{ pipeline: 'digits', state: 'degraded', epoch: 3, stages: 1, model: 'digits.onnx', fps: 47.52 },
      ...{ version: '0b4f3c1d9a2e', reason: 'worker lost' },
      error: { code: 'WORKER_LOST', message: "worker 'w2' is gone" },
      latencyMs: { p50: 9.171, p99: 149.5 },
      frames: { admitted: 9, predicted: 4, dropped: 3, failed: 1, inFlight: 1 },
      dispatchers: [],
    },
  ],
  stages: [
    {
      ...{ pipeline: 'digits', epoch: 3, version: '0b4f3c1d9a2e', stage: 0, replica: 0 },
      ...{ worker: 'w1', link: 'peer' },
      ...{ frames: 9, failures: 1, waiting: 2, framesPerSecond: 47.2, msPerFrame: 0.384 },
      ...{ bytesInPerSecond: 18_130, bytesOutPerSecond: 2_990_000 },
    },
  ],
}

test('status - shows rates in units that are read at a glance, and why a pipeline does not work', t => {
  const text = statusText(VIEW, { width: 120, colours: false })
  t.regex(text, /^supervisor 's', term 1\n/)
  t.regex(text, /^w1 +alive +4 +61 % +250 MB +8 GB +-$/m)
  t.regex(text, /^digits +degraded +3 +47.5 +9.17 +150 +- +- +- +- +worker lost +0b4f3c1… +digits\.o…$/m)
  t.regex(text, /^w2 +slow +4 /m)
  t.regex(text, /^w2: WORKER_SLOW: takes 4 times as long as usual$/m)
  t.regex(text, /^digits\/0 +w1 +47.2 +0.38 +2 +1 +18.1 kB\/s +2.99 MB\/s +peer$/m)
  t.regex(text, /^digits: WORKER_LOST: worker 'w2' is gone$/m)
  t.false(text.includes('\u001b'))
  t.true(statusText(VIEW, { width: 120, colours: true }).includes('\u001b[33mdegraded\u001b[39m'))
})

test('status - shows versions, and a canary with its share and its stages where there is one', t => {
  const { pipelines, stages } = VIEW
  const wide = { width: 200, colours: false }
  t.regex(statusText(VIEW, wide), /^digits +degraded .* 0b4f3c1d9a2e +digits.onnx$/m)
  const text = statusText(
    {
      ...VIEW,
      pipelines: pipelines.map(one => ({
        ...one,
        canary: { model: 'new.onnx', version: '77aa77aa77aa', share: 0.125 },
      })),
      stages: stages.flatMap(one => [one, { ...one, epoch: 4, version: '77aa77aa77aa', worker: 'w2' }]),
    },
    wide,
  )
  t.regex(text, /^digits .* 0b4f3c1d9a2e +12.5 % 77aa77aa77aa +digits.onnx$/m)
  t.regex(text, /^digits\/0 +0b4f3c1d9a2e +w1 /m)
  t.regex(text, /^digits\/0 +77aa77aa77aa +w2 /m)
})

test('status - without a terminal, it has no colours and is 80 columns wide', async t => {
  const broker = await brokerWith(t, 0, 2)
  const { status, stdout, stderr } = await millrace(['status', '--broker', broker.url])
  t.is(status, 0, stderr)
  t.false(stdout.includes('\u001b'))
  t.true(stdout.includes('…'))
  t.is(Math.max(...stdout.split('\n').map(line => line.length)), 80)
})

test('status --watch - says that the connection is lost, and goes on when it is back', async t => {
  const broker = await brokerWith(t, 0, 1)
  const watch = new CliRun(['status', '--broker', broker.url, '--watch', '0.1', '--json'])
  t.teardown(() => watch.stop())
  const seen = (test: (view: ClusterView & { connected: boolean }) => boolean) =>
    inTurns(() =>
      watch.stdout
        .split('\n')
        .slice(0, -1)
        .some(line => test(JSON.parse(line) as ClusterView & { connected: boolean })),
    )
  await seen(({ connected, workers }) => connected && workers.length === 1)
  await broker.close()
  await seen(({ connected, workers }) => !connected && workers.length === 0)
  await brokerWith(t, broker.port, 2)
  await seen(({ connected, workers }) => connected && workers.length === 2)
  const { status, stderr } = await watch.stop()
  t.deepEqual([status, stderr], [130, ''])
})

for (const value of ['0', 'often']) {
  test(`status --watch ${value} - is refused`, async t => {
    const { status, stderr } = await millrace(['status', '--watch', value])
    t.is(status, 2)
    t.regex(stderr, /OPTION_INVALID: millrace status: option 'watch'/)
  })
}

test('status --watch - without a broker, it fails at once', async t => {
  const { status, stderr } = await millrace(['status', '--broker', 'mqtt://127.0.0.1:1', '--watch'])
  t.is(status, 1)
  t.regex(stderr, /^error BROKER_UNREACHABLE/)
})

/** The surroundings of somebody at a terminal: what builds by themselves set switches colours off. */
function coloured({
  CI: _,
  NO_COLOR: __,
  NODE_DISABLE_COLORS: ___,
  ...rest
}: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...rest, TERM: 'xterm' }
}

test('status --watch - refreshes a terminal in place, fits it, and gives it back', async t => {
  if (spawnSync('script', ['--version']).error !== undefined) {
    t.log('not tested here: there is no `script`')
    return t.pass()
  }
  const broker = await brokerWith(t, 0, 20)
  const mark = `MILLRACE_TEST_SCREEN=${broker.port}`
  const inner = `stty cols ${COLUMNS} rows 12; exec ${process.execPath} ${ENTRY} status --watch 0.1 --broker ${broker.url}`
  const child = spawn('script', ['-qfec', inner, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...coloured(process.env), MILLRACE_TEST_SCREEN: String(broker.port) },
  })
  t.teardown(() => void child.kill('SIGKILL'))
  let text = ''
  child.stdout.on('data', (data: Buffer) => (text += data.toString()))
  // A terminal shows what has come so far: silence is known only after a while.
  const screens = () => text.split('\u001b[H').slice(1)
  const drawn = (screen: string) => screen.includes('more lines') && screen.includes('\u001b[31msilent')
  await inTurns(() => screens().length > 3 && screens().some(drawn))
  for (const { pid, command } of processesWith(mark)) {
    if (command.includes('status --watch') && !command.includes('stty')) process.kill(pid, 'SIGINT')
  }
  await once(child, 'close')
  t.regex(text, /^\u001b\[\?1049h\u001b\[\?25l/)
  t.regex(text, /\u001b\[\?25h\u001b\[\?1049l$/)
  for (const screen of screens()) {
    const lines = screen.replaceAll(/\u001b\[\??\d*[a-zA-Z]/g, '').split('\n')
    t.true(lines.length <= 12)
    for (const line of lines) t.true(line.trimEnd().length <= COLUMNS, line)
  }
})
