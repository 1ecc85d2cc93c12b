import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { checkCapable, connectBus, probeBroker, startBroker } from '../../broker/index.js'
import { failsWith } from '../compliance/bus-form.js'
import { inTurns } from '../support/actors.js'
import { inboxOf } from '../support/bus.js'
import { codeOf } from '../support/errors.js'
import { inCheckout } from '../support/index.js'
import { hasMosquitto, startMosquitto } from '../support/mosquitto.js'
import { freePort } from '../support/ports.js'

const OPTIONS = { clientId: 'prober', topic: 'root/probe/it' }
const ALL = { largestMessageBytes: 65_536, retained: true, wildcard: true, persistentSession: true }

/** Tests on a Mosquitto with these lines in its configuration. */
function onMosquitto(
  title: string,
  config: readonly string[],
  run: (t: ExecutionContext, url: string) => Promise<void>,
): void {
  test.serial(`probing Mosquitto - ${title}`, async t => {
    if (!hasMosquitto()) {
      t.log('not tested here: Mosquitto is not installed')
      return t.pass()
    }
    const mosquitto = await startMosquitto(['allow_anonymous true', ...config])
    t.teardown(() => mosquitto.close())
    await run(t, mosquitto.url)
  })
}

/** A large payload reaches a subscriber of this broker in messages of at most so many bytes. */
async function carriesChunks(t: ExecutionContext, url: string, maxMessageBytes: number): Promise<void> {
  const bus = await connectBus(url, { clientId: 'both', maxMessageBytes })
  t.teardown(() => bus.close())
  const inbox = await inboxOf(bus, 'x')
  await bus.publish('x', new Uint8Array(300_000).fill(3))
  await inbox.holds(1)
  t.deepEqual(inbox.messages[0]?.bytes, new Uint8Array(300_000).fill(3))
}

test.serial('probing - the embedded broker can do all, and nothing of the probe stays', async t => {
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  t.deepEqual(await probeBroker(broker.url, OPTIONS), ALL)
  const bus = await connectBus(broker.url, { clientId: 'after' })
  t.teardown(() => bus.close())
  const inbox = await inboxOf(bus, '#')
  await bus.publish('end', Buffer.from('end'))
  await inbox.hears('end')
  t.deepEqual(inbox.texts, ['end'])
  t.is(broker.metrics().retainedMessages, 0)
})

test.serial('probing - killed in the middle, leaves nothing on the broker', async t => {
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  const probe = inCheckout('dist/broker/probe.js')
  const program = `import { probeBroker } from ${JSON.stringify(probe)}
    while (true) await probeBroker('${broker.url}', ${JSON.stringify(OPTIONS)})`
  const prober = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: 'inherit' })
  t.teardown(() => void prober.kill('SIGKILL'))
  const bus = await broker.connect({ clientId: 'watching' })
  t.teardown(() => bus.close())
  const killed = once(prober, 'exit')
  await bus.subscribe(`${OPTIONS.topic}/kept`, ({ payload }) => {
    if (payload.byteLength > 0) prober.kill('SIGKILL')
  })
  await killed
  await inTurns(() => broker.metrics().retainedMessages === 0 && broker.metrics().connections === 1)
  t.pass()
})

test.serial(
  'probing - a packet limit of the embedded broker is found, and messages below it pass',
  async t => {
    const broker = await startBroker({ port: 0, limits: { maxPacketBytes: 20_000 } })
    t.teardown(() => broker.close())
    const found = await probeBroker(broker.url, OPTIONS)
    t.deepEqual(found, { ...ALL, largestMessageBytes: 16_384 })
    await carriesChunks(t, broker.url, found.largestMessageBytes)
  },
)

test.serial('probing - what is wanted is tried first and is the most that is told', async t => {
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  const found = await probeBroker(broker.url, { ...OPTIONS, wantedBytes: 10_000 })
  t.is(found.largestMessageBytes, 10_000)
})

test.serial('probing - a broker that is not there, or refuses', async t => {
  const port = await freePort()
  await failsWith(t, probeBroker(`mqtt://127.0.0.1:${port}`, OPTIONS), 'BROKER_UNREACHABLE')
  const broker = await startBroker({ port: 0, users: [{ name: 'me', password: 'right' }] })
  t.teardown(() => broker.close())
  await failsWith(t, probeBroker(broker.url, OPTIONS), 'BROKER_REFUSED')
  t.deepEqual(await probeBroker(broker.url, { ...OPTIONS, username: 'me', password: 'right' }), ALL)
})

onMosquitto('it can do all', [], async (t, url) => {
  const found = await probeBroker(url, OPTIONS)
  t.deepEqual(found, ALL)
  t.notThrows(() => checkCapable(found, url, OPTIONS.topic))
})

onMosquitto(
  'a limit that drops larger messages in silence is found',
  ['message_size_limit 20000'],
  async (t, url) => {
    const found = await probeBroker(url, OPTIONS)
    t.deepEqual(found, { ...ALL, largestMessageBytes: 16_384 })
    await carriesChunks(t, url, found.largestMessageBytes)
  },
)

onMosquitto('a limit that ends the connection is found', ['max_packet_size 5000'], async (t, url) => {
  const found = await probeBroker(url, OPTIONS)
  t.deepEqual(found, { ...ALL, largestMessageBytes: 4_096 })
  await carriesChunks(t, url, found.largestMessageBytes)
})

onMosquitto('one that keeps no values is refused', ['retain_available false'], async (t, url) => {
  const found = await probeBroker(url, { ...OPTIONS, stepTimeoutMs: 3_000 })
  t.deepEqual(found, { ...ALL, retained: false })
  t.is(
    codeOf(() => checkCapable(found, url, OPTIONS.topic)),
    'BROKER_INCAPABLE',
  )
  t.throws(() => checkCapable(found, url, OPTIONS.topic), { message: /retained messages/ })
})

test('a broker that lacks something - is refused by the name of what it lacks', t => {
  const url = 'mqtt://me:secret@host:1883'
  const rows = [
    [{ ...ALL, wildcard: false }, /host:1883 .*wildcards/],
    [{ ...ALL, largestMessageBytes: 0 }, /1024 bytes/],
    [{ ...ALL, retained: false }, /^(?!.*secret).*retained/],
  ] as const
  for (const [found, message] of rows) {
    t.throws(() => checkCapable(found, url, 'root/probe'), { code: 'BROKER_INCAPABLE', message })
  }
  t.notThrows(() => checkCapable({ ...ALL, persistentSession: false }, url, 'root/probe'))
})
