import test from 'ava'
import { startBroker } from '../../broker/index.js'
import { connectOptions } from '../../config/connect-options.js'
import { busOpener } from '../../config/connect.js'
import { parseOptions } from '../../core/options.js'
import { failsWith } from '../compliance/bus-form.js'
import { inboxOf } from '../support/bus.js'
import { hasMosquitto, startMosquitto } from '../support/mosquitto.js'
import { freePort } from '../support/ports.js'

const OPTIONS = parseOptions(connectOptions, {}, 'test')

test('opening connections - they send no larger messages than the broker takes', async t => {
  const broker = await startBroker({ port: 0, limits: { maxPacketBytes: 10_000 } })
  t.teardown(() => broker.close())
  const open = busOpener(broker.url, OPTIONS)
  const [bus, reader] = await Promise.all([open({ clientId: 'one' }), open({ clientId: 'two' })])
  t.teardown(() => Promise.all([bus.close(), reader.close()]))
  t.is(bus.maxMessageBytes, 8_192)
  const inbox = await inboxOf(reader, 'x')
  await bus.publish('x', new Uint8Array(100_000).fill(9))
  await inbox.holds(1)
  t.deepEqual(inbox.messages[0]?.bytes, new Uint8Array(100_000).fill(9))
})

test('opening connections - one that needs larger messages has them, as far as the broker takes them', async t => {
  const broker = await startBroker({ port: 0, limits: { maxPacketBytes: 300_000 } })
  t.teardown(() => broker.close())
  const open = busOpener(broker.url, OPTIONS)
  const buses = [
    await open({ clientId: 'usual' }),
    await open({ clientId: 'large', maxMessageBytes: 2 ** 18 }),
    await open({ clientId: 'too-large', maxMessageBytes: 2 ** 19 }),
    await open({ clientId: 'usual-again' }),
  ]
  t.teardown(() => Promise.all(buses.map(bus => bus.close())))
  t.deepEqual(
    buses.map(({ maxMessageBytes }) => maxMessageBytes),
    [65_536, 2 ** 18, 2 ** 18, 65_536],
  )
})

test('opening connections - to a broker on this machine a frame goes in one piece', async t => {
  const [wide, narrow] = await Promise.all([
    startBroker({ port: 0 }),
    startBroker({ port: 0, limits: { maxPacketBytes: 300_000 } }),
  ])
  t.teardown(() => Promise.all([wide.close(), narrow.close()]))
  for (const [{ url }, bytes] of [[wide, 2 ** 20] as const, [narrow, 2 ** 18] as const]) {
    const bus = await busOpener(url, OPTIONS)({ clientId: 'frames', frames: true })
    t.is(bus.maxMessageBytes, bytes)
    await bus.close()
  }
})

test('opening connections - a broker that was not there yet is asked again', async t => {
  const port = await freePort()
  const open = busOpener(`mqtt://127.0.0.1:${port}`, OPTIONS)
  await failsWith(t, open({ clientId: 'early' }), 'BROKER_UNREACHABLE')
  const broker = await startBroker({ port })
  t.teardown(() => broker.close())
  const bus = await open({ clientId: 'late' })
  t.is(bus.maxMessageBytes, 65_536)
  await bus.close()
})

test('opening connections - a broker that keeps no values is refused', async t => {
  if (!hasMosquitto()) {
    t.log('not tested here: Mosquitto is not installed')
    return t.pass()
  }
  const mosquitto = await startMosquitto(['allow_anonymous true', 'retain_available false'])
  t.teardown(() => mosquitto.close())
  await failsWith(t, busOpener(mosquitto.url, OPTIONS)({ clientId: 'it' }), 'BROKER_INCAPABLE')
})
