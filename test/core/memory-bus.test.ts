import test from 'ava'
import { type Bus } from '../../core/bus.js'
import { MemoryBroker } from '../../core/memory-bus.js'
import { failsWith } from '../compliance/bus-form.js'
import { inboxOf, reaches, statesOf, textOf } from '../support/bus.js'
import { codeOf } from '../support/errors.js'

test('broker in memory - nothing is delivered before the call that publishes has returned', async t => {
  const bus = await new MemoryBroker().connect({ clientId: 'it' })
  const inbox = await inboxOf(bus, 'x')
  const sent = bus.publish('x', textOf('x'))
  await Promise.resolve()
  t.is(inbox.messages.length, 0)
  await sent
  t.is(inbox.messages.length, 1)
})

test('broker in memory - what a sender does with its bytes afterwards changes nothing', async t => {
  const broker = new MemoryBroker()
  const bus = await broker.connect({ clientId: 'it' })
  const inbox = await inboxOf(bus, 'x')
  const payload = Buffer.from('before')
  const sent = bus.publish('x', payload, { retain: true })
  payload.fill(0)
  await sent
  const late = await inboxOf(bus, 'x')
  t.deepEqual([inbox.texts, late.texts], [['before'], ['before']])
})

test('broker in memory - what a receiver does with its bytes changes nothing for others', async t => {
  const broker = new MemoryBroker()
  const buses = await Promise.all(['one', 'two'].map(clientId => broker.connect({ clientId })))
  const seen: string[] = []
  const spoil = (message: { payload: Uint8Array }) => {
    seen.push(Buffer.from(message.payload).toString())
    message.payload.fill(0)
  }
  for (const bus of buses) await bus.subscribe('x', spoil)
  await buses[0]?.publish('x', textOf('whole'), { retain: true })
  await (await broker.connect({ clientId: 'late' })).subscribe('x', spoil)
  await buses[0]?.publish('end', textOf('end'))
  t.deepEqual(seen, ['whole', 'whole', 'whole'])
})

test('broker in memory - a client that is not connected cannot be cut', async t => {
  const broker = new MemoryBroker()
  t.is(
    codeOf(() => broker.cut('nobody')),
    'BUS_DISCONNECTED',
  )
  const bus = await broker.connect({ clientId: 'it', reconnect: false })
  broker.cut('it')
  t.is(
    codeOf(() => broker.cut('it')),
    'BUS_DISCONNECTED',
  )
  await reaches(bus, 'closed')
})

test('broker in memory - what was published at once before a cut is gone at QoS 0, and sent again at QoS 1', async t => {
  const broker = new MemoryBroker()
  const reader = await broker.connect({ clientId: 'reader' })
  const inbox = await inboxOf(reader, 'x')
  const bus = await broker.connect({ clientId: 'it' })
  const lost = failsWith(t, bus.publish('x', textOf('q0')), 'BUS_DISCONNECTED')
  const kept = bus.publish('x', textOf('q1'), { qos: 1 })
  broker.cut('it')
  await Promise.all([lost, kept])
  t.deepEqual(inbox.texts, ['q1'])
})

test('broker in memory - what was given up while it was away is not sent later', async t => {
  const broker = new MemoryBroker()
  const bus = await broker.connect({ clientId: 'it' })
  const inbox = await inboxOf(bus, 'x')
  broker.stop()
  await failsWith(t, bus.publish('x', textOf('given up'), { qos: 1, timeoutMs: 1 }), 'PUBLISH_TIMEOUT')
  const kept = bus.publish('x', textOf('kept'), { qos: 1 })
  broker.start()
  await kept
  await inbox.hears('kept')
  t.deepEqual(inbox.texts, ['kept'])
})

test('broker in memory - a subscription that is under way at a cut fails, and hears nothing', async t => {
  const broker = new MemoryBroker()
  const bus = await broker.connect({ clientId: 'it' })
  const heard: string[] = []
  const refused = failsWith(
    t,
    bus.subscribe('x', ({ topic }) => heard.push(topic)),
    'BUS_DISCONNECTED',
  )
  broker.cut('it')
  await refused
  await reaches(bus, 'connected')
  await bus.publish('x', textOf('x'))
  t.deepEqual(heard, [])
})

test('broker in memory - a bus that was closed while the broker was away does not come back', async t => {
  const broker = new MemoryBroker()
  const bus = await broker.connect({ clientId: 'it', will: { topic: 'will', payload: textOf('x') } })
  const states = statesOf(bus)
  broker.stop()
  await bus.close()
  broker.start()
  const watcher = await broker.connect({ clientId: 'watcher' })
  const inbox = await inboxOf(watcher, '#')
  t.is(
    codeOf(() => broker.cut('it')),
    'BUS_DISCONNECTED',
  )
  await watcher.publish('end', textOf('end'))
  t.deepEqual(inbox.texts, ['end'])
  t.deepEqual(states, ['connected', 'disconnected', 'closed'])
})

test('broker in memory - the bytes that wait are bounded, one message always fits', async t => {
  const bus = await new MemoryBroker().connect({ clientId: 'it' })
  const mib = 2 ** 20
  const sent = [1, 254].map(count => bus.publish('x', new Uint8Array(count * mib)))
  await failsWith(t, bus.publish('x', new Uint8Array(2 * mib)), 'PUBLISH_TIMEOUT')
  await Promise.all(sent)
  await t.notThrowsAsync(bus.publish('x', new Uint8Array(257 * mib)))
})

test('broker in memory - the retained values are bounded, the oldest go', async t => {
  const bus = await new MemoryBroker().connect({ clientId: 'it' })
  const set = (i: number) => bus.publish(`v/${i}`, textOf(String(i)), { retain: true })
  for (let i = 0; i < 10_001; i += 1_000) {
    await Promise.all(Array.from({ length: Math.min(1_000, 10_001 - i) }, (_, k) => set(i + k)))
  }
  const inbox = await inboxOf(bus, 'v/+')
  t.is(inbox.messages.length, 10_000)
  t.false(inbox.texts.includes('0'))
})

test('broker in memory - what a handler throws is told to who asked for it', async t => {
  const thrown: unknown[] = []
  const bus: Bus = await new MemoryBroker().connect({
    clientId: 'it',
    onThrow: (error, topic) => thrown.push([topic, error]),
  })
  const fault = new Error('a fault of the program')
  await bus.subscribe('x', () => {
    throw fault
  })
  await bus.publish('x', textOf('x'))
  t.deepEqual(thrown, [['x', fault]])
})
