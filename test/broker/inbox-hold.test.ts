import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { connectAsync } from 'mqtt'
import { filter, firstValueFrom, take, toArray } from 'rxjs'
import { connectBus, type InboxBroker } from '../../broker/index.js'
import { INBOX_PACKET_BYTES } from '../../broker/inbox-broker.js'
import { type Bus } from '../../core/bus.js'
import { rejection } from '../support/actors.js'
import { Inbox, textOf } from '../support/bus.js'
import { inboxBroker, KEY, senderTo } from '../support/inboxes.js'
import { type RawClient } from '../support/raw-client.js'

const TOPIC = 'a/inbox'
const OTHER = { username: 'p/1/2', password: 'another secret' }
const MIB = 2 ** 20
/** More than the buffers of two sockets take, in messages of a MiB. */
const MANY = 100

async function busTo(t: ExecutionContext, { url }: InboxBroker, clientId: string, key = KEY): Promise<Bus> {
  const bus = await connectBus(url, { clientId, ...key, maxMessageBytes: INBOX_PACKET_BYTES })
  t.teardown(() => bus.close())
  return bus
}

/** Sends numbered messages of a MiB until one does not leave. @returns how many were given to the bus */
async function sendUntilHeld(bus: Bus): Promise<number> {
  for (let i = 0; i < MANY; i++) {
    const payload = new Uint8Array(MIB).fill(i + 1)
    const code = await rejection(bus.publish(TOPIC, payload, { timeoutMs: 1_000 }))
    if (code === 'PUBLISH_TIMEOUT') return i + 1
    if (code !== undefined) throw new Error(`message ${i} failed with ${String(code)}`)
  }
  return MANY
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1)
}

/** Signs that the broker lives, which it gives unasked. */
async function signs(client: RawClient, count: number): Promise<void> {
  await firstValueFrom(
    client.packets$.pipe(
      filter(({ cmd }) => cmd === 'pingresp'),
      take(count),
      toArray(),
    ),
  )
}

test('a held inbox - brings its senders to rest, and nobody else; nothing is lost when it is released', async t => {
  const broker = await inboxBroker(t)
  const [held, other] = [new Inbox(), new Inbox()]
  const inlet = broker.open(TOPIC, KEY, held.handler)
  broker.open('another/inbox', OTHER, other.handler)
  const [sender, neighbour] = [await busTo(t, broker, 'a'), await busTo(t, broker, 'b', OTHER)]
  await sender.publish(TOPIC, Uint8Array.of(0))
  await held.holds(1)
  inlet.hold()
  const sent = await sendUntilHeld(sender)
  t.true(sent < MANY, `${sent} messages left`)
  t.true(held.messages.length < 10, `${held.messages.length} messages came`)
  for (let i = 0; i < 50; i++) await neighbour.publish('another/inbox', new Uint8Array(MIB).fill(i))
  await other.holds(50)
  inlet.release()
  await held.holds(1 + sent)
  t.deepEqual(
    held.messages.map(({ bytes }) => bytes[0]),
    [0, ...numbers(sent)],
  )
  t.true(held.messages.slice(1).every(({ bytes }) => bytes.byteLength === MIB))
})

test('a held inbox - brings a sender to rest that comes only then', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  const inlet = broker.open(TOPIC, KEY, inbox.handler)
  inlet.hold()
  const sent = await sendUntilHeld(await busTo(t, broker, 'late'))
  t.true(sent < MANY, `${sent} messages left`)
  t.true(inbox.messages.length < 10, `${inbox.messages.length} messages came`)
  inlet.release()
  await inbox.holds(sent)
  t.deepEqual(
    inbox.messages.map(({ bytes }) => bytes[0]),
    numbers(sent),
  )
})

test('a held inbox - may be held for longer than its senders wait for a sign of life', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  const inlet = broker.open(TOPIC, KEY, inbox.handler)
  const client = await connectAsync(broker.url, { ...KEY, clientId: 'a', keepalive: 1, reconnectPeriod: 0 })
  t.teardown(() => client.endAsync(true))
  const raw = await senderTo(t, broker, { keepalive: 1 })
  raw.publish(TOPIC, 'raw before')
  await client.publishAsync(TOPIC, 'before')
  await inbox.holds(2)
  inlet.hold()
  for (let i = 0; i < 30; i++) client.publish(TOPIC, Buffer.alloc(MIB), () => undefined)
  raw.publish(TOPIC, 'raw after')
  // Three a second: both ends would have given up the other by then.
  await signs(raw, 9)
  t.true(client.connected)
  inlet.release()
  await inbox.holds(33)
  t.true(client.connected)
  t.true(inbox.texts.includes('raw after'))
})

test('a held inbox - can be closed, and its senders are cut off', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  const inlet = broker.open(TOPIC, KEY, inbox.handler)
  const sender = await senderTo(t, broker)
  sender.publish(TOPIC, 'one')
  await inbox.holds(1)
  inlet.hold()
  sender.publish(TOPIC, 'two')
  await inlet.close()
  await sender.closed
  const again = new Inbox()
  broker.open(TOPIC, KEY, again.handler)
  const next = await senderTo(t, broker)
  next.publish(TOPIC, 'three')
  await again.holds(1)
  t.deepEqual(again.texts, ['three'])
})

test('an inbox - held and released again and again, gets every message once and in order', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  let count = 0
  const inlet = broker.open(TOPIC, KEY, message => {
    inbox.handler(message)
    if (++count % 7 === 0) inlet.hold()
    if (count % 7 === 0) setImmediate(() => inlet.release())
  })
  const sender = await busTo(t, broker, 'a')
  const texts = Array.from({ length: 500 }, (_, i) => String(i))
  for (const text of texts) await sender.publish(TOPIC, textOf(text))
  await inbox.holds(texts.length)
  t.deepEqual(inbox.texts, texts)
})

test('an inbox - a sender that goes while it is held leaves nothing behind that harms', async t => {
  const broker = await inboxBroker(t)
  const inbox = new Inbox()
  const inlet = broker.open(TOPIC, KEY, inbox.handler)
  const [goes, stays] = [await senderTo(t, broker), await senderTo(t, broker)]
  goes.publish(TOPIC, 'goes')
  stays.publish(TOPIC, 'stays')
  await inbox.holds(2)
  inlet.hold()
  goes.socket.resetAndDestroy()
  await goes.closed
  inlet.release()
  stays.publish(TOPIC, 'still there')
  await inbox.hears('still there')
  stays.socket.end()
  await once(stays.socket, 'close')
  t.pass()
})
