import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { appendFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { boundLog } from '../../../actors/bin/detached/bounded-log.js'
import { startBroker } from '../../../broker/index.js'
import { type ClusterView } from '../../../config/cluster-view.js'
import { connect, type Pipeline, tensor, type Tensor } from '../../../config/index.js'
import { inTurns, testFolder } from '../../support/actors.js'
import { CliRun, millrace } from '../../support/cli.js'
import { inCheckout } from '../../support/index.js'
import { processesWith } from '../../support/processes.js'

const DIGITS = inCheckout('examples/digits/digits.onnx')
const ENTRY = inCheckout('dist/actors/bin/millrace.js')
const MARK = 'MILLRACE_TEST_DETACHED'

interface Started {
  readonly broker: string
  readonly port: number
  readonly pid: number
  readonly log: string
  readonly stop: string
}

/** Runs in the background that end with the test, whatever comes of it. */
async function background(t: ExecutionContext) {
  const folder = await testFolder(t)
  const mark = `${MARK}=${folder}`
  const running = () => processesWith(mark)
  t.teardown(() => {
    for (const { pid } of running()) process.kill(pid, 'SIGKILL')
  })
  const env = { [MARK]: folder }
  const run = (...args: string[]) => millrace([...args, '--state-dir', folder, '--json'], env)
  const up = async (): Promise<Started> => {
    const { status, stdout, stderr } = await run('up', '--detach', '--port', '0', '--workers', '2')
    t.is(status, 0, stderr)
    return JSON.parse(stdout) as Started
  }
  return { folder, env, run, up, running }
}

/** Streams frames until it is told to stop. */
async function stream(pipeline: Pipeline): Promise<() => Promise<void>> {
  let stop = false
  function* frames(): Generator<Tensor> {
    while (!stop) yield tensor('float32', [1, 1, 8, 8], new Float32Array(64))
  }
  const ended = new Promise<void>((resolve, reject) => {
    pipeline.pull(frames()).pipe(pipeline.infer()).subscribe({ complete: resolve, error: reject })
  })
  ended.catch(() => undefined)
  await inTurns(() => pipeline.counts().predicted > 20)
  return () => {
    stop = true
    return ended
  }
}

function near(value: number | undefined, to: number | undefined, factor: number): boolean {
  const ratio = (value ?? Number.NaN) / (to ?? Number.NaN)
  return ratio > 1 / factor && ratio < factor
}

/** Whether rates and times are told of everything that works, and agree. They are of different seconds. */
function isMeasured({ workers, pipelines: [pipeline], stages: [from, to] }: ClusterView): boolean {
  if (pipeline === undefined || from === undefined || to === undefined) return false
  const { p50, p99 } = pipeline.latencyMs ?? { p50: 0, p99: 0 }
  return (
    workers.every(({ cpuPercent = 0, rssBytes = 0 }) => cpuPercent > 0 && rssBytes > 1e7) &&
    pipeline.dispatchers.length === 1 &&
    pipeline.frames.predicted > 20 &&
    p50 > 0 &&
    p50 <= p99 &&
    near(from.framesPerSecond, pipeline.fps, 3) &&
    near(to.framesPerSecond, from.framesPerSecond, 2) &&
    // What the first stage sends, the second one takes; the frame itself has 64 numbers of four bytes.
    near(to.bytesInPerSecond, from.bytesOutPerSecond, 2) &&
    (from.bytesInPerSecond ?? 0) / (from.framesPerSecond ?? 1) > 128 &&
    [from, to].every(({ msPerFrame = 0 }) => msPerFrame > 0)
  )
}

/** The views that were printed in whole lines so far. */
function viewsIn({ stdout }: CliRun): (ClusterView & { connected: boolean })[] {
  const lines = stdout.split('\n').slice(0, -1)
  return lines.map(line => JSON.parse(line) as ClusterView & { connected: boolean })
}

test.serial(
  'up --detach - outlives its terminal and SIGHUP, works, shows its status, and is stopped',
  async t => {
    const { folder, env, run, running } = await background(t)
    const command = [process.execPath, ENTRY, 'up', '--detach', '--port', '0', '--workers', '2', '--json']
    const line = [...command, '--state-dir', folder].join(' ')
    if (spawnSync('script', ['--version']).error !== undefined) t.log('no `script`: without a terminal')
    const [program = '', ...args] =
      spawnSync('script', ['--version']).error === undefined
        ? ['script', '-qec', line, '/dev/null']
        : line.split(' ')
    // The terminal that `script` makes is gone when it returns.
    const said = execFileSync(program, args, { env: { ...process.env, ...env }, encoding: 'utf8' })
    const { broker, port, pid, log, stop } = JSON.parse(said) as Started
    t.is(stop, `millrace down --port ${port} --state-dir ${folder}`)
    process.kill(pid, 'SIGHUP')
    const cluster = await connect(broker)
    t.teardown(() => cluster.close())
    const pipeline = await cluster.deploy(DIGITS, { name: 'digits', partitions: 2 })
    const end = await stream(pipeline)

    const status = await millrace(['status', '--broker', broker, '--json'])
    const { workers, pipelines, stages } = JSON.parse(status.stdout) as ClusterView
    t.deepEqual(
      workers.map(({ worker, state, actors }) => [worker, state, actors.length]),
      [
        ['w1', 'alive', 1],
        ['w2', 'alive', 1],
      ],
    )
    t.like(pipelines[0], { pipeline: 'digits', state: 'ready', epoch: 1, stages: 2, model: 'digits.onnx' })
    t.deepEqual(
      stages.map(({ stage, worker, link, failures }) => [stage, worker, link, failures]),
      [
        [0, 'w1', 'peer', 0],
        [1, 'w2', 'broker', 0],
      ],
    )
    const watch = new CliRun(['status', '--broker', broker, '--watch', '0.2', '--json'])
    t.teardown(() => watch.stop())
    await inTurns(() => viewsIn(watch).some(view => view.connected && isMeasured(view)))
    t.is((await watch.stop()).status, 130)

    await end()
    await cluster.close()
    t.true(existsSync(log))
    const down = await run('down', '--port', String(port))
    t.is(down.status, 0, down.stderr)
    t.like(JSON.parse(down.stdout), { port, pid, outcome: 'stopped' })
    t.deepEqual([running(), readdirSync(folder)], [[], []])
  },
)

test.serial('up --detach - what a start fails with is told, and leaves nothing', async t => {
  const { folder, run, up, running } = await background(t)
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  const taken = await run('up', '--detach', '--port', String(broker.port))
  t.is(taken.status, 1)
  t.like(JSON.parse(taken.stdout), { error: { code: 'PORT_TAKEN' } })
  t.deepEqual([running(), readdirSync(folder)], [[], []])

  const { port, pid } = await up()
  const second = await run('up', '--detach', '--port', String(port))
  t.is(second.status, 1)
  t.regex(second.stdout, new RegExp(`PORT_TAKEN.*process ${pid}.*millrace down --port ${port}`))
  const none = await run('down', '--port', '1')
  t.is(none.status, 1)
  t.regex(none.stdout, new RegExp(`NOT_RUNNING.*but on ${port}`))
  t.is((await run('down', '--port', String(port))).status, 0)
  t.deepEqual([running(), readdirSync(folder)], [[], []])
})

test.serial('up --detach - one that is stopped while it starts leaves nothing', async t => {
  const { folder, env, running } = await background(t)
  const starting = new CliRun(['up', '--detach', '--port', '0', '--state-dir', folder], env)
  await inTurns(() => running().some(({ command }) => command.includes('millrace.js worker')))
  const { status, processes } = await starting.stop()
  t.is(status, 130)
  t.deepEqual([processes, running(), readdirSync(folder)], [[], [], []])
})

test.serial('down - what was killed is recognised, and its place is free', async t => {
  const { folder, run, up, running } = await background(t)
  const first = await up()
  process.kill(first.pid, 'SIGKILL')
  await inTurns(() => running().length === 0)
  const again = await run('up', '--detach', '--port', String(first.port), '--workers', '1')
  t.is(again.status, 0, again.stdout)
  const { pid } = JSON.parse(again.stdout) as Started
  process.kill(pid, 'SIGKILL')
  await inTurns(() => running().length === 0)
  const down = await run('down', '--port', String(first.port))
  t.like(JSON.parse(down.stdout), { pid, outcome: 'gone already' })
  t.deepEqual(readdirSync(folder), [])
})

test.serial('down - a process that got the number of one that ended is left alone', async t => {
  const { folder, run } = await background(t)
  const record = { pid: process.pid, started: '1 another', port: 4_000, broker: 'x', workers: 1, log: 'x' }
  await mkdir(join(folder, 'up-4000'))
  await writeFile(join(folder, 'up-4000', 'run.json'), JSON.stringify(record))
  const down = await run('down', '--port', '4000')
  t.like(JSON.parse(down.stdout), { outcome: 'gone already' })
})

test.serial('down - kills what does not stop in time, with all that it started', async t => {
  const { folder, run, up, running } = await background(t)
  const { port, pid } = await up()
  for (const process_ of running()) process.kill(process_.pid, 'SIGSTOP')
  const down = await run('down', '--port', String(port), '--stop-limit-ms', '300')
  t.is(down.status, 0, down.stdout)
  t.like(JSON.parse(down.stdout), { pid, outcome: 'killed' })
  t.deepEqual([running(), readdirSync(folder)], [[], []])
})

test('the log of a run - what is above its bound goes to the file beside it, and then goes', async t => {
  const path = join(await testFolder(t), 'log')
  await appendFile(path, 'a'.repeat(50))
  const end = boundLog(path, 100, 10)
  t.teardown(end)
  await appendFile(path, 'b'.repeat(70))
  await inTurns(() => existsSync(`${path}.1`) && statSync(path).size === 0)
  t.is(readFileSync(`${path}.1`, 'utf8'), 'a'.repeat(50) + 'b'.repeat(70))
  await appendFile(path, 'c'.repeat(101))
  await inTurns(() => statSync(path).size === 0 && readFileSync(`${path}.1`, 'utf8').startsWith('c'))
  t.is(statSync(`${path}.1`).size, 101)
})
