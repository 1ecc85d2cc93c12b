import test from 'ava'
import fc from 'fast-check'
import { connectBus } from '../../broker/index.js'
import { INBOX_PACKET_BYTES } from '../../broker/inbox-broker.js'
import { type Bus } from '../../core/bus.js'
import { rejection } from '../support/actors.js'
import { Inbox, textOf } from '../support/bus.js'
import { inboxBroker, KEY, senderTo } from '../support/inboxes.js'
import { RawClient } from '../support/raw-client.js'

const TOPIC = 'a/inbox'
const OTHER = { username: 'p/1/2', password: 'another secret' }

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** Resolves when all that was sent before has been taken in. */
async function takenIn(client: RawClient): Promise<void> {
  const answer = client.next('pingresp')
  client.send({ cmd: 'pingreq' })
  await answer
}

test('an inbox - takes messages from who has its credentials', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  broker.open(TOPIC, KEY, inbox.handler)
  const bus = await connectBus(broker.url, { clientId: 'a', ...KEY })
  t.teardown(() => bus.close())
  await bus.publish(TOPIC, textOf('one'))
  await bus.publish(TOPIC, textOf('two'), { qos: 1 })
  await inbox.holds(2)
  t.deepEqual(inbox.texts, ['one', 'two'])
  t.deepEqual(
    inbox.messages.map(({ topic, retained }) => [topic, retained]),
    [
      [TOPIC, false],
      [TOPIC, false],
    ],
  )
})

test('an inbox - takes every quality, and acknowledges it', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  broker.open(TOPIC, KEY, inbox.handler)
  const sender = await senderTo(t, broker)
  const acknowledged = sender.next('puback')
  sender.publish(TOPIC, 'at least once', { qos: 1 })
  t.is((await acknowledged).messageId, 1)
  const received = sender.next('pubrec')
  sender.publish(TOPIC, 'exactly once', { qos: 2 })
  t.is((await received).messageId, 2)
  sender.publish(TOPIC, 'perhaps')
  await inbox.holds(3)
  t.deepEqual([...inbox.texts].sort(), ['at least once', 'exactly once', 'perhaps'])
})

test('an inbox - takes what a sender sends before it knows that it is welcome', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  broker.open(TOPIC, KEY, inbox.handler)
  const sender = await RawClient.open(portOf(broker.url))
  t.teardown(() => sender.leave())
  const { username, password } = KEY
  const welcome = sender.introduce('hasty', { username, password: Buffer.from(password) })
  const acknowledged = sender.next('puback')
  sender.publish(TOPIC, 'one', { qos: 1 })
  sender.publish(TOPIC, 'two')
  t.is(await welcome, 0)
  await acknowledged
  await inbox.holds(2)
  t.deepEqual(inbox.texts, ['one', 'two'])
})

test('an inbox - refuses who has no credentials, wrong ones, or those of no inbox', async t => {
  const broker = await inboxBroker(t)
  const strangers = [{}, { username: KEY.username }, { ...KEY, password: 'wrong' }, { ...KEY, password: '' }]
  strangers.push({ ...KEY, username: OTHER.username }, OTHER)
  const refused = () =>
    Promise.all(
      strangers.map((who, i) =>
        rejection(connectBus(broker.url, { clientId: `s${i}`, reconnect: false, ...who })),
      ),
    )
  t.deepEqual(
    await refused(),
    strangers.map(() => 'BROKER_REFUSED'),
  )
  broker.open(TOPIC, KEY, () => t.fail())
  t.deepEqual(
    await refused(),
    strangers.map(() => 'BROKER_REFUSED'),
  )
})

test('an inbox - its credentials open no other inbox, and are for publishing only', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  broker.open(TOPIC, KEY, inbox.handler)
  broker.open('another/inbox', OTHER, () => t.fail())
  for (const topic of ['another/inbox', 'nobody/listens', '$SYS/x', `${TOPIC}/below`]) {
    const sender = await senderTo(t, broker)
    sender.publish(topic, 'x')
    await sender.closed
  }
  const reader = await senderTo(t, broker)
  for (const filter of [TOPIC, 'another/inbox', '#', '$SYS/#']) {
    const answer = reader.next('suback')
    reader.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: filter, qos: 0 }] })
    t.deepEqual((await answer).granted, [128], filter)
  }
  const heard: string[] = []
  reader.packets$.subscribe(packet => packet.cmd === 'publish' && heard.push(packet.topic))
  const sender = await senderTo(t, broker)
  sender.publish(TOPIC, 'x')
  await inbox.holds(1)
  await takenIn(reader)
  t.deepEqual(heard, [])
})

test('an inbox - keeps no retained message, no session and no will', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  broker.open(TOPIC, KEY, inbox.handler)
  const will = { topic: TOPIC, payload: Buffer.from('will'), qos: 1 as const, retain: true }
  const session = { clientId: 'stays', clean: false, will }
  const first = await senderTo(t, broker, session)
  first.publish(TOPIC, 'kept?', { retain: true, qos: 1 })
  await inbox.holds(1)
  t.false(inbox.messages[0]?.retained)
  first.socket.resetAndDestroy()
  await first.closed
  const again = await RawClient.open(portOf(broker.url))
  t.teardown(() => again.leave())
  const answer = again.next('connack')
  const { username, password } = KEY
  const who = { username, password: Buffer.from(password), clientId: 'stays', clean: false }
  again.send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, ...who })
  t.false((await answer).sessionPresent)
  again.publish(TOPIC, 'last')
  await inbox.holds(2)
  t.deepEqual(inbox.texts, ['kept?', 'last'])
})

test('an inbox - when it closes, its senders are cut off and its credentials open nothing', async t => {
  const broker = await inboxBroker(t)
  const [first, second] = [new Inbox(), new Inbox()]
  const inlet = broker.open(TOPIC, KEY, first.handler)
  broker.open('another/inbox', OTHER, second.handler)
  const [busy, idle] = [await senderTo(t, broker), await senderTo(t, broker)]
  const { username, password } = OTHER
  const neighbour = await senderTo(t, broker, { username, password: Buffer.from(password) })
  busy.publish(TOPIC, 'before')
  await first.holds(1)
  await inlet.close()
  await busy.closed
  idle.publish(TOPIC, 'after')
  await idle.closed
  t.is(
    await rejection(connectBus(broker.url, { clientId: 'late', reconnect: false, ...KEY })),
    'BROKER_REFUSED',
  )
  neighbour.publish('another/inbox', 'still there')
  await second.holds(1)
  t.deepEqual(first.texts, ['before'])
})

test('an inbox - opened anew under its topic, is for the new credentials only', async t => {
  const broker = await inboxBroker(t)
  const [before, after] = [new Inbox(), new Inbox()]
  const old = broker.open(TOPIC, KEY, before.handler)
  const sender = await senderTo(t, broker)
  broker.open(TOPIC, OTHER, after.handler)
  sender.publish(TOPIC, 'with the old key')
  await sender.closed
  await old.close()
  const { username, password } = OTHER
  const next = await senderTo(t, broker, { username, password: Buffer.from(password) })
  next.publish(TOPIC, 'with the new key')
  await after.holds(1)
  t.deepEqual([before.texts, after.texts], [[], ['with the new key']])
})

test('an inbox - takes payloads of any size around the largest packet whole and in order', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  broker.open(TOPIC, KEY, inbox.handler)
  const bound = INBOX_PACKET_BYTES
  const bus = await connectBus(broker.url, { clientId: 'a', ...KEY, maxMessageBytes: bound })
  t.teardown(() => bus.close())
  // The sizes are about a packet with a header of its own, a chunk, and two of them.
  const about = fc.constantFrom(0, 1_000, bound, bound, bound + 2 ** 16, 2 * bound)
  const size = fc.tuple(about, fc.integer({ min: -40, max: 40 })).map(([a, b]) => Math.max(0, a + b))
  await fc.assert(
    fc.asyncProperty(fc.array(size, { minLength: 1, maxLength: 4 }), async sizes => {
      inbox.messages.length = 0
      const sent = sizes.map((size, i) => patterned(size, i))
      await Promise.all(sent.map(payload => bus.publish(TOPIC, payload)))
      await inbox.holds(sent.length)
      const same = inbox.messages.every(({ bytes }, i) => Buffer.from(sent[i] ?? []).equals(bytes))
      t.true(same, sizes.join(', '))
    }),
    { numRuns: 12 },
  )
})

test('an inbox - joins the chunks of several senders each for itself, each in order', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  broker.open(TOPIC, KEY, inbox.handler)
  const senders = await Promise.all(
    [0, 1].map(i => connectBus(broker.url, { clientId: `s${i}`, ...KEY, maxMessageBytes: 10_000 })),
  )
  t.teardown(() => Promise.all(senders.map(bus => bus.close())))
  const count = 20
  const send = async (bus: Bus, sender: number) => {
    for (let i = 0; i < count; i++) {
      const payload = patterned(25_000 + 1_000 * (i % 7), i)
      payload[0] = sender
      payload[1] = i
      await bus.publish(TOPIC, payload)
    }
  }
  await Promise.all(senders.map(send))
  await inbox.holds(2 * count)
  for (const sender of [0, 1]) {
    const own = inbox.messages.filter(({ bytes }) => bytes[0] === sender)
    t.deepEqual(
      own.map(({ bytes }) => bytes[1]),
      Array.from({ length: count }, (_, i) => i),
    )
    t.true(
      own.every(({ bytes }, i) =>
        Buffer.from(bytes.subarray(2)).equals(patterned(bytes.length, i).subarray(2)),
      ),
    )
  }
})

test('an inbox - goes on whatever strangers send to the port', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  broker.open(TOPIC, KEY, inbox.handler)
  const sender = await senderTo(t, broker)
  const garbage = fc.uint8Array({ minLength: 2, maxLength: 400 })
  await fc.assert(
    fc.asyncProperty(garbage, async bytes => {
      const stranger = await RawClient.open(portOf(broker.url))
      stranger.write(bytes)
      stranger.socket.end()
      await stranger.leave()
    }),
    { numRuns: 50 },
  )
  // Those that are let in are not to be trusted either.
  const known = await senderTo(t, broker)
  known.write(Buffer.from('3005000178', 'hex'))
  known.write(Buffer.alloc(100, 0xff))
  await known.closed
  sender.publish(TOPIC, 'unharmed')
  await inbox.holds(1)
  t.deepEqual(inbox.texts, ['unharmed'])
})

test('an inbox - has a bound on connections, and room again when some have gone', async t => {
  const broker = await inboxBroker(t)
  broker.open(TOPIC, KEY, () => undefined)
  const strangers: RawClient[] = []
  t.teardown(() => Promise.all(strangers.map(one => one.leave())))
  let refused = false
  while (!refused && strangers.length < 1_000) {
    const stranger = await RawClient.open(portOf(broker.url))
    strangers.push(stranger)
    const code = await stranger
      .introduce(`s${strangers.length}`, {
        username: KEY.username,
        password: Buffer.from(KEY.password),
      })
      .catch(() => undefined)
    refused = code === undefined
  }
  t.is(strangers.length, 257)
  await strangers[0]?.leave()
  let code: number | undefined
  while (code !== 0) {
    const next = await RawClient.open(portOf(broker.url))
    strangers.push(next)
    const who = { username: KEY.username, password: Buffer.from(KEY.password) }
    code = await next.introduce('next', who).catch(() => undefined)
  }
  t.pass()
})

/** Bytes that differ from place to place and from message to message. */
function patterned(size: number, seed: number): Uint8Array {
  const payload = new Uint8Array(size)
  for (let i = 0; i < size; i += 97) payload[i] = (i / 97 + 31 * seed) % 251
  if (size > 0) payload[size - 1] = seed + 1
  return payload
}
