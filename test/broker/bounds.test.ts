import test from 'ava'
import { filter, firstValueFrom, scan, take, toArray } from 'rxjs'
import { type EmbeddedBroker } from '../../broker/embedded-broker.js'
import { brokerFor, clientsOf } from '../support/brokers.js'
import { bytesHeld } from '../support/memory.js'
import { isPublish, RawClient } from '../support/raw-client.js'

const MIB = 2 ** 20

/** Resolves when so many messages have come. */
function messages(client: RawClient, count: number): Promise<number> {
  return firstValueFrom(
    client.packets$.pipe(
      filter(isPublish),
      scan(seen => seen + 1, 0),
      filter(seen => seen === count),
    ),
  )
}

async function hasSession({ port }: EmbeddedBroker, id: string): Promise<boolean> {
  const client = await RawClient.open(port)
  const answer = client.next('connack')
  await client.introduce(id, { clean: false })
  await client.leave()
  return (await answer).sessionPresent
}

/** The topics of the messages that a client gets before the one on `last`. */
function topicsUntil(client: RawClient, last: string): Promise<string[]> {
  const topics: string[] = []
  return new Promise(resolve => {
    const subscription = client.packets$.subscribe(packet => {
      if (packet.cmd !== 'publish') return
      if (packet.topic !== last) return topics.push(packet.topic)
      subscription.unsubscribe()
      resolve(topics)
    })
  })
}

test('retained messages - lose the oldest above their number, those set anew counting as new', async t => {
  const broker = await brokerFor(t, { maxRetainedMessages: 4 })
  const join = clientsOf(t, broker)
  const client = await join('client')
  await client.subscribe('#')
  const all = messages(client, 6)
  for (const topic of ['a', 'b', 'c', 'a', 'd']) client.publish(topic, 'x', { retain: true })
  client.publish('last', 'x', { retain: true })
  await all
  const late = await join('late')
  const kept = topicsUntil(late, 'last')
  await late.subscribe('+')
  t.deepEqual((await kept).sort(), ['a', 'c', 'd'])
  t.like(broker.metrics(), { retainedMessages: 4, retainedBytes: 11, retainedEvicted: 1 })
})

test('retained messages - lose the oldest above their bytes, and do not make place for one that cannot fit', async t => {
  const broker = await brokerFor(t, { maxRetainedBytes: 905 })
  const join = clientsOf(t, broker)
  const client = await join('client')
  await client.subscribe('#')
  const all = messages(client, 7)
  for (const topic of ['a', 'b', 'c', 'd']) client.publish(topic, Buffer.alloc(299), { retain: true })
  client.publish('e', Buffer.alloc(1_000), { retain: true })
  client.publish('c', '', { retain: true })
  client.publish('last', 'x', { retain: true })
  await all
  const late = await join('late')
  const kept = topicsUntil(late, 'last')
  await late.subscribe('+')
  t.deepEqual((await kept).sort(), ['b', 'd'])
  t.like(broker.metrics(), { retainedMessages: 3, retainedBytes: 605, retainedEvicted: 2 })
})

test.serial('retained messages - keep nothing of the buffers in which they came', async t => {
  const broker = await brokerFor(t)
  const client = await clientsOf(t, broker)('client')
  await client.subscribe('last')
  const before = bytesHeld()
  for (let i = 0; i < 400; i++) {
    client.publish(`kept/${i}`, 'x'.repeat(100), { retain: true })
    client.publish('unkept', Buffer.alloc(32_000))
  }
  const last = client.message('last')
  client.publish('last', 'x')
  await last
  t.is(broker.metrics().retainedMessages, 400)
  t.true(bytesHeld() - before < 4 * MIB)
})

test('sessions - keep the newest messages for an absent client, within their bytes, and count the others', async t => {
  const broker = await brokerFor(t, { maxSessionBytes: 100 * (256 + 1 + 1_000) })
  const join = clientsOf(t, broker)
  const [sender, absent] = [await join('sender'), await join('absent', { clean: false })]
  await absent.subscribe('a', 1)
  await absent.leave()
  await sender.subscribe('a')
  const all = messages(sender, 300)
  for (let i = 0; i < 300; i++) sender.publish('a', Buffer.alloc(1_000, i), { qos: 1 })
  await all
  t.is(broker.metrics().sessionMessagesDropped, 200)
  const back = await RawClient.open(broker.port)
  const payloads = firstValueFrom(back.packets$.pipe(filter(isPublish), take(100), toArray()))
  await back.introduce('absent', { clean: false })
  t.deepEqual(
    (await payloads).map(({ payload }) => payload[0]),
    Array.from({ length: 100 }, (_, i) => (200 + i) % 256),
  )
  await back.leave()
})

test('sessions - count empty messages, which take memory too', async t => {
  const broker = await brokerFor(t, { maxSessionBytes: 10 * 257 })
  const join = clientsOf(t, broker)
  const [sender, absent] = [await join('sender'), await join('absent', { clean: false })]
  await absent.subscribe('a', 1)
  await absent.leave()
  await sender.subscribe('a')
  const all = messages(sender, 50)
  for (let i = 0; i < 50; i++) sender.publish('a', '', { qos: 1 })
  await all
  t.is(broker.metrics().sessionMessagesDropped, 40)
})

test('sessions - are bounded for a client that is there and acknowledges nothing, and it stays', async t => {
  const broker = await brokerFor(t, { maxSessionBytes: 100 * (256 + 1 + 1_000) })
  const join = clientsOf(t, broker)
  const [sender, mute] = [await join('sender'), await join('mute', { clean: false })]
  await mute.subscribe('a', 1)
  const all = messages(mute, 300)
  for (let i = 0; i < 300; i++) sender.publish('a', Buffer.alloc(1_000, i), { qos: 1 })
  await all
  t.like(broker.metrics(), { sessionMessagesDropped: 200, clientsGivenUp: 0 })
})

test('sessions - do not count what a client that has come back acknowledges', async t => {
  const broker = await brokerFor(t, { maxSessionBytes: 3_000 })
  const join = clientsOf(t, broker)
  const [sender, first] = [await join('sender'), await join('back', { clean: false })]
  await first.subscribe('a', 1)
  await first.leave()
  const back = await join('back', { clean: false })
  for (let i = 0; i < 20; i++) {
    const arrived = back.message('a')
    sender.publish('a', Buffer.alloc(1_000, i), { qos: 1 })
    const { messageId, payload } = await arrived
    t.is(payload[0], i)
    back.send({ cmd: 'puback', messageId: messageId ?? 0 })
  }
  t.is(broker.metrics().sessionMessagesDropped, 0)
})

test('sessions - of the clients that have been absent longest go above their number', async t => {
  const broker = await brokerFor(t, { maxSessions: 2 })
  const join = clientsOf(t, broker)
  const watcher = await join('watcher')
  await watcher.subscribe('$SYS/+/disconnect/clients')
  await watcher.subscribe('a')
  for (const id of ['one', 'two', 'one', 'three']) {
    const client = await join(id, { clean: false })
    await client.subscribe('a', 1)
    const gone = watcher.next('publish')
    await client.leave()
    await gone
  }
  const arrived = watcher.message('a')
  watcher.publish('a', 'x', { qos: 1 })
  await arrived
  t.is(broker.metrics().sessionsEvicted, 1)
  t.deepEqual(await Promise.all(['one', 'two', 'three'].map(id => hasSession(broker, id))), [
    true,
    false,
    true,
  ])
})

test('sessions - end when their client begins a clean one', async t => {
  const broker = await brokerFor(t)
  const join = clientsOf(t, broker)
  const [sender, absent] = [await join('sender'), await join('absent', { clean: false })]
  await absent.subscribe('a', 1)
  await absent.leave()
  await sender.subscribe('a')
  const arrived = sender.message('a')
  sender.publish('a', 'old', { qos: 1 })
  await arrived
  const clean = await join('absent')
  const topics = topicsUntil(clean, 'b')
  await clean.subscribe('b')
  clean.publish('b', 'x')
  t.deepEqual(await topics, [])
})

test.serial('messages of QoS 2 that wait for their release - keep no payload', async t => {
  const broker = await brokerFor(t)
  const client = await clientsOf(t, broker)('client')
  await client.subscribe('last')
  const before = bytesHeld()
  for (let i = 0; i < 40; i++) client.publish('a', Buffer.alloc(MIB, i), { qos: 2 })
  const last = client.message('last')
  client.publish('last', 'x')
  await last
  t.true(bytesHeld() - before < 8 * MIB)
})
