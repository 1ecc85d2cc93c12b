import test, { type ExecutionContext } from 'ava'
import { DURABLE_ID } from '../../broker/index.js'
import { type Bus, type BusMessage } from '../../core/bus.js'
import { inTurns, type TestBroker, testBroker } from '../support/actors.js'

const CLIENT = `${DURABLE_ID}test`

/** A durable client, and what it has got and not confirmed. */
async function durable({ dial }: TestBroker, clientId = CLIENT) {
  const bus = await dial(clientId, { durable: true })
  const got: BusMessage[] = []
  await bus.subscribe('in/#', message => got.push({ ...message, payload: new Uint8Array(message.payload) }), {
    qos: 1,
  })
  return { bus, got, values: () => got.map(({ payload }) => payload[0]) }
}

function publish(bus: Bus, value: number, topic = 'in/a'): { done: boolean; sent: Promise<void> } {
  const state = { done: false, sent: Promise.resolve() }
  state.sent = bus.publish(topic, Uint8Array.of(value), { qos: 1 }).then(() => void (state.done = true))
  state.sent.catch(() => undefined)
  return state
}

/** Resolves when the broker has dealt with what came before, for this client. */
async function roundTrip(t: ExecutionContext, bus: Bus): Promise<void> {
  await t.notThrowsAsync(bus.publish('elsewhere', Uint8Array.of(0), { qos: 1 }))
}

test('a durable client - what it takes is acknowledged to its publisher when it has confirmed, and others go on', async t => {
  const broker = await testBroker(t)
  const { got, values } = await durable(broker)
  const [sensor, other] = [await broker.dial('sensor'), await broker.dial('other')]
  const [first, second] = [publish(sensor, 1), publish(sensor, 2)]
  await inTurns(() => got.length > 0)
  for (let i = 0; i < 50; i++) await roundTrip(t, other)
  t.false(first.done)
  t.is(got.length, new Set(values()).size)
  got[0]?.confirm?.()
  await first.sent
  await inTurns(() => got.length === 2)
  t.false(second.done)
  got[1]?.confirm?.()
  await second.sent
  t.deepEqual(values(), [1, 2])
})

test('a durable client - has again after a break what it had not confirmed, and what came meanwhile', async t => {
  const broker = await testBroker(t)
  const before = await durable(broker)
  const sensors = await Promise.all([1, 2, 3].map(i => broker.dial(`sensor-${i}`)))
  const sent = sensors.slice(0, 2).map((bus, i) => publish(bus, i + 1))
  await inTurns(() => before.got.length === 2)
  before.got.find(({ payload }) => payload[0] === 1)?.confirm?.()
  await sent[0]?.sent
  await before.bus.close()
  const third = sensors.slice(2).map(bus => publish(bus, 3))
  const after = await durable(broker)
  await inTurns(() => after.got.length === 2)
  t.deepEqual(after.values(), [2, 3])
  t.false(sent[1]?.done)
  for (const { confirm } of after.got) confirm?.()
  await Promise.all([...sent, ...third].map(one => one.sent))
})

test('a durable client - of another kind of id holds nobody up, but is sent again what it had not confirmed', async t => {
  const broker = await testBroker(t)
  const before = await durable(broker, 'somebody')
  const sensor = await broker.dial('sensor')
  await publish(sensor, 1).sent
  await inTurns(() => before.got.length === 1)
  await before.bus.close()
  const after = await durable(broker, 'somebody')
  await inTurns(() => after.got.length === 1)
  t.deepEqual(after.values(), [1])
})

test('a durable client - a publisher that goes while it waits harms nobody', async t => {
  const broker = await testBroker(t)
  const { got } = await durable(broker)
  const sensor = await broker.dial('sensor', { reconnect: false })
  publish(sensor, 1)
  await inTurns(() => got.length === 1)
  await sensor.close()
  got[0]?.confirm?.()
  const next = await broker.dial('next')
  const sent = publish(next, 2)
  await inTurns(() => got.length === 2)
  got[1]?.confirm?.()
  await sent.sent
  t.pass()
})
