import test from 'ava'
import { filter, firstValueFrom, of, timeout } from 'rxjs'
import { connect, type Pipeline, tensor } from '../../../config/index.js'
import { leaderClientId } from '../../../actors/supervisor/index.js'
import { connectBus } from '../../../broker/index.js'
import { encodeControl, type Leader } from '../../../core/control/index.js'
import { inTurns, TOPICS } from '../../support/actors.js'
import { CliRun } from '../../support/cli.js'
import { inCheckout } from '../../support/index.js'

const DIGITS = inCheckout('examples/digits/digits.onnx')
const LIMIT_MS = 60_000

/** Resolves when a frame gets through; those before it may be lost with what was killed. */
async function serves(pipeline: Pipeline): Promise<void> {
  const deadline = Date.now() + LIMIT_MS
  const frame = tensor('float32', [1, 1, 8, 8], new Float32Array(64))
  for (;;) {
    const answer = of(frame).pipe(pipeline.infer({ deadlineMs: 1_000 }))
    const got = await firstValueFrom(answer, { defaultValue: undefined })
    if (got !== undefined) return
    if (Date.now() > deadline) throw new Error('no frame got through')
  }
}

test.serial(
  'up - whichever of its processes is killed comes back, and the pipeline serves again',
  async t => {
    const up = new CliRun(['up', '--port', '0', '--workers', '2', '--json'])
    t.teardown(() => up.stop())
    const { broker } = JSON.parse(await up.firstLine()) as { broker: string }
    const cluster = await connect(broker)
    t.teardown(() => cluster.close())
    const pipeline = await cluster.deploy(DIGITS, { name: 'digits', partitions: 2 })
    await serves(pipeline)
    for (const part of ['worker --id w1', 'worker --id w2', 'supervisor', 'ingress']) {
      const [pid = 0] = up.descendants(`millrace.js ${part}`)
      const broken = firstValueFrom(
        pipeline.status$.pipe(
          filter(({ state }) => state === 'degraded'),
          timeout(LIMIT_MS),
        ),
      )
      // Only a worker's end is one of the pipeline.
      broken.catch(() => undefined)
      process.kill(pid, 'SIGKILL')
      if (part.startsWith('worker')) await broken
      await inTurns(() => up.descendants(`millrace.js ${part}`).some(other => other !== pid))
      await serves(pipeline)
    }
    const ready = pipeline.status$.pipe(
      filter(({ state }) => state === 'ready'),
      timeout(LIMIT_MS),
    )
    await firstValueFrom(ready)
    t.regex(up.stderr, /RUNTIME_CRASHED: 'millrace worker --id w1' ended with SIGKILL; it is started again/)
    t.regex(up.stderr, /RUNTIME_CRASHED: 'millrace supervisor --id supervisor' ended with SIGKILL/)
    // The supervisor that came back leads.
    const again = await cluster.deploy(DIGITS, { name: 'again' })
    await serves(again)
    await cluster.close()
    const { processes, files } = await up.stop()
    t.deepEqual([processes, files], [[], []])
  },
)

test.serial('up - a supervisor that another took the place of is not started again', async t => {
  const up = new CliRun(['up', '--port', '0', '--workers', '1', '--json'])
  t.teardown(() => up.stop())
  const { broker } = JSON.parse(await up.firstLine()) as { broker: string }
  const bus = await connectBus(broker, { clientId: 'test' })
  t.teardown(() => bus.close())
  const leader: Leader = { term: 9, supervisor: 'other' }
  await bus.publish(TOPICS.supervisor.leader, encodeControl(leader), { qos: 1, retain: true })
  // The broker keeps the newest of those with the leader's client id.
  const other = await connectBus(broker, { clientId: leaderClientId(TOPICS), reconnect: false })
  t.teardown(() => other.close())
  await inTurns(() => up.stderr.includes('it is not started again'))
  t.regex(up.stderr, /'millrace supervisor --id supervisor' ended .* 'other' leads in term 9; it is not/)
  t.deepEqual(up.descendants('millrace.js supervisor'), [])
})

test.serial('up - ends with its terminal, and leaves nothing', async t => {
  const up = new CliRun(['up', '--port', '0', '--workers', '1', '--json'])
  await up.firstLine()
  up.signal('SIGHUP')
  const { status, processes, files } = await up.ended
  t.deepEqual([status, processes, files], [129, [], []])
})
