import { createServer } from 'node:net'
import { once } from 'node:events'
import test from 'ava'
import { connectBus, startBroker } from '../../broker/index.js'
import { failsWith } from '../compliance/bus-form.js'
import { inboxOf, reaches, textOf } from '../support/bus.js'
import { cableTo } from '../support/cable.js'
import { hasMosquitto, startMosquitto } from '../support/mosquitto.js'
import { freePort, portOf } from '../support/ports.js'

const OPTIONS = { clientId: 'it' }

test('connecting - nobody listens: BROKER_UNREACHABLE, and the address is named', async t => {
  const port = await freePort()
  const refused = connectBus(`mqtt://127.0.0.1:${port}`, OPTIONS)
  await failsWith(t, refused, 'BROKER_UNREACHABLE')
  await t.throwsAsync(refused, { message: new RegExp(`127\\.0\\.0\\.1:${port}`) })
})

test('connecting - who listens says nothing: BROKER_UNREACHABLE in time', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `mqtt://127.0.0.1:${portOf(server)}`
  await failsWith(t, connectBus(url, { ...OPTIONS, connectTimeoutMs: 50 }), 'BROKER_UNREACHABLE')
})

test('connecting - who listens hangs up: BROKER_UNREACHABLE', async t => {
  const server = createServer(socket => socket.destroy()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  await failsWith(t, connectBus(`mqtt://127.0.0.1:${portOf(server)}`, OPTIONS), 'BROKER_UNREACHABLE')
})

test('connecting - an address that is none: OPTION_INVALID, without the password in the message', async t => {
  for (const url of ['127.0.0.1:1883', 'http://127.0.0.1', 'mqtt//x', '', 'localhost', 'mqtt://']) {
    await failsWith(t, connect(url), 'OPTION_INVALID')
  }
  const secret = connect('http://me:secret@127.0.0.1')
  await t.throwsAsync(secret, { message: /^(?!.*secret)/ })
})

test('connecting - options that no message could keep: OPTION_INVALID, MESSAGE_TOO_LARGE, TOPIC_INVALID', async t => {
  const broker = await startBroker({ port: 0 })
  t.teardown(() => broker.close())
  for (const maxMessageBytes of [0, 63, 1.5, Number.NaN]) {
    await failsWith(t, connectBus(broker.url, { ...OPTIONS, maxMessageBytes }), 'OPTION_INVALID')
  }
  const will = { topic: 'w', payload: new Uint8Array(65_537) }
  await failsWith(t, connectBus(broker.url, { ...OPTIONS, will }), 'MESSAGE_TOO_LARGE')
  const nowhere = { topic: 'a/#', payload: textOf('x') }
  await failsWith(t, connectBus(broker.url, { ...OPTIONS, will: nowhere }), 'TOPIC_INVALID')
})

test('connecting - a wrong password: BROKER_REFUSED, the right one is let in', async t => {
  const broker = await startBroker({ port: 0, users: [{ name: 'me', password: 'right' }] })
  t.teardown(() => broker.close())
  for (const password of ['wrong', undefined]) {
    await failsWith(t, connectBus(broker.url, { ...OPTIONS, username: 'me', password }), 'BROKER_REFUSED')
  }
  const bus = await connectBus(broker.url, { ...OPTIONS, username: 'me', password: 'right' })
  await bus.close()
})

test('connecting - Mosquitto that knows nobody: BROKER_REFUSED', async t => {
  if (!hasMosquitto()) {
    t.log('not tested here: Mosquitto is not installed')
    return t.pass()
  }
  const mosquitto = await startMosquitto(['allow_anonymous false'])
  t.teardown(() => mosquitto.close())
  await failsWith(t, connectBus(mosquitto.url, OPTIONS), 'BROKER_REFUSED')
})

test('a broker that takes nothing - QoS 1 ends in time, and closing does not wait for it', async t => {
  const broker = await startBroker({ port: 0 })
  const cable = await cableTo(broker.url)
  t.teardown(async () => {
    await cable.close()
    await broker.close()
  })
  const bus = await connectBus(cable.url, OPTIONS)
  cable.freeze()
  await failsWith(t, bus.publish('x', textOf('x'), { qos: 1, timeoutMs: 20 }), 'PUBLISH_TIMEOUT')
  const waiting = failsWith(t, bus.publish('x', textOf('x'), { qos: 1 }), 'BUS_CLOSED')
  await bus.close()
  await waiting
})

test('a broker that takes nothing - what it holds up of QoS 0 ends with the connection, and not later', async t => {
  const broker = await startBroker({ port: 0 })
  const cable = await cableTo(broker.url)
  const bus = await connectBus(cable.url, OPTIONS)
  t.teardown(async () => {
    await bus.close()
    await cable.close()
    await broker.close()
  })
  cable.freeze()
  const down = reaches(bus, 'disconnected')
  const held = [20, 1, 1].map(mib => bus.publish('x', new Uint8Array(mib * 2 ** 20), { timeoutMs: 60_000 }))
  await failsWith(t, bus.publish('x', textOf('x'), { timeoutMs: 20 }), 'PUBLISH_TIMEOUT')
  cable.cut()
  await Promise.all(held.map(publish => failsWith(t, publish, 'BUS_DISCONNECTED')))
  await down
  await reaches(bus, 'connected')
  const inbox = await inboxOf(bus, 'x')
  await bus.publish('x', textOf('afterwards'))
  await inbox.hears('afterwards')
})

test('a client in the process of its broker - learns that the broker has closed', async t => {
  const broker = await startBroker({ port: 0 })
  const bus = await broker.connect({ ...OPTIONS, reconnect: false })
  await broker.close()
  await reaches(bus, 'closed')
  t.pass()
})

async function connect(url: string): Promise<void> {
  await (await connectBus(url, OPTIONS)).close()
}
