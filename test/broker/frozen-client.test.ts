import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { filter } from 'rxjs'
import { type EmbeddedBroker } from '../../broker/embedded-broker.js'
import { brokerFor, clientsOf } from '../support/brokers.js'
import { bytesHeld } from '../support/memory.js'
import { isPublish, type RawClient } from '../support/raw-client.js'

const MB = 1_000_000
const SUBSCRIBER = fileURLToPath(new URL('../support/frozen-subscriber.js', import.meta.url))

/** A process that has subscribed and is then stopped, without a word to the broker. */
async function freeze(t: ExecutionContext, { port }: EmbeddedBroker, topic: string): Promise<void> {
  const child = fork(SUBSCRIBER, [String(port), topic], { execArgv: [] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'message')
  child.kill('SIGSTOP')
}

/** What a client gets on a topic, from now on. */
function payloadsOf(client: RawClient, topic: string): Buffer[] {
  const payloads: Buffer[] = []
  client.packets$.pipe(filter(isPublish)).subscribe(packet => {
    if (packet.topic === topic) payloads.push(Buffer.from(packet.payload))
  })
  return payloads
}

/** Publishes, and waits until another client has it. */
async function tick(sender: RawClient, receiver: RawClient, content: string): Promise<void> {
  const arrived = receiver.message('tick')
  sender.publish('tick', content)
  const { payload } = await arrived
  if (payload.toString() !== content)
    throw new Error(`'${content}' was expected, '${payload.toString()}' came`)
}

/** The first byte of a large message says which it is, and all others repeat it. */
function isWhole(payload: Buffer): boolean {
  return payload.length === MB && payload.equals(Buffer.alloc(MB, payload[0]))
}

test.serial(
  'a frozen and a slow client of large messages - stop nobody; the slow one stays, the frozen one goes',
  async t => {
    const maxQueuedBytes = 16 * MB
    const broker = await brokerFor(t, { maxQueuedBytes, stalledMs: 5_000 })
    const join = clientsOf(t, broker)
    const [sender, healthy, slow] = [await join('sender'), await join('healthy'), await join('slow')]
    await healthy.subscribe('tick')
    await healthy.subscribe('$SYS/+/disconnect/clients')
    await slow.subscribe('large')
    const slowGot = payloadsOf(slow, 'large')
    slow.throttle(MB)
    await freeze(t, broker, 'large')
    const gone: string[] = []
    let [large, largeBefore] = [0, 0]
    healthy.packets$.pipe(filter(isPublish)).subscribe(({ topic, payload }) => {
      if (!topic.startsWith('$SYS')) return
      gone.push(payload.toString())
      largeBefore = large
    })

    const before = bytesHeld()
    let most = 0
    let ticks = 0
    while (gone.length === 0 || slowGot.length < 5) {
      await tick(sender, healthy, String(ticks++))
      if (ticks % 5 === 0) sender.publish('large', Buffer.alloc(MB, large++))
      if (ticks % 100 === 0) most = Math.max(most, bytesHeld() - before)
    }

    t.deepEqual(gone, ['frozen'])
    t.true(largeBefore > 30, `${largeBefore} MB and their ticks went by while one client was frozen`)
    t.true(slowGot.every(isWhole))
    t.false(slow.socket.destroyed)
    t.true(most < 3 * maxQueuedBytes, `${most} bytes at most, ${large} MB published`)
    t.like(broker.metrics(), { clientsGivenUp: 1, connections: 3 })
    t.true(broker.metrics().dropped > 0)
  },
)

test.serial(
  'a flood - of large messages is cut for who cannot follow, counted, and bounded in memory',
  async t => {
    await flood(t, { count: 640, size: 100_000 })
  },
)

test.serial(
  'a flood - of small messages is cut for who cannot follow, counted, and bounded in memory',
  async t => {
    await flood(t, { count: 60_000, size: 300 })
  },
)

/** Floods a client that takes nothing, then lets it take what was kept for it. */
async function flood(t: ExecutionContext, { count, size }: { count: number; size: number }): Promise<void> {
  const maxQueuedBytes = 4 * MB
  const broker = await brokerFor(t, { maxQueuedBytes })
  const join = clientsOf(t, broker)
  const [sender, healthy, lazy] = [await join('sender'), await join('healthy'), await join('lazy')]
  await healthy.subscribe('tick')
  await lazy.subscribe('flood')
  lazy.throttle(0)
  const before = bytesHeld()
  const payload = Buffer.alloc(size, 1)
  for (let i = 0; i < count; i++) {
    sender.publish('flood', payload)
    if (i % 1_000 === 999) await tick(sender, healthy, `after ${i}`)
  }
  await tick(sender, healthy, 'that was all')
  const held = bytesHeld() - before
  t.true(held < 4 * maxQueuedBytes, `${held} bytes`)
  const { dropped, clientsGivenUp } = broker.metrics()
  t.true(dropped > 0, 'messages were dropped')
  t.is(clientsGivenUp, 0)
  const got = await drained(lazy, count - dropped)
  t.true(got.every(each => each.equals(payload)))
}

/** Reads on until so many messages are there. */
async function drained(client: RawClient, count: number): Promise<Buffer[]> {
  const got = payloadsOf(client, 'flood')
  const all = new Promise<void>(resolve => {
    client.packets$.subscribe(() => {
      if (got.length === count) resolve()
    })
  })
  client.throttle(Infinity)
  await all
  return got
}

test.serial('a flood - of QoS 1 ends the connection of who asked for it and cannot follow', async t => {
  const broker = await brokerFor(t, { maxQueuedBytes: 4 * MB })
  const join = clientsOf(t, broker)
  const [sender, healthy, lazy] = [await join('sender'), await join('healthy'), await join('lazy')]
  await healthy.subscribe('tick')
  await healthy.subscribe('$SYS/+/disconnect/clients')
  await lazy.subscribe('flood', 1)
  lazy.throttle(0)
  const before = bytesHeld()
  for (let i = 0; broker.metrics().clientsGivenUp === 0; i++) {
    sender.publish('flood', Buffer.alloc(100_000), { qos: 1 })
    await tick(sender, healthy, String(i))
  }
  t.true(bytesHeld() - before < 4 * MB)
  t.is(broker.metrics().dropped, 0)
})

test.serial('a flood - of QoS 1 is cut for who asked for no more than QoS 0', async t => {
  const broker = await brokerFor(t, { maxQueuedBytes: 4 * MB })
  const join = clientsOf(t, broker)
  const [sender, healthy, lazy] = [await join('sender'), await join('healthy'), await join('lazy')]
  await healthy.subscribe('tick')
  await lazy.subscribe('flood')
  lazy.throttle(0)
  for (let i = 0; i < 300; i++) {
    sender.publish('flood', Buffer.alloc(100_000), { qos: 1 })
    await tick(sender, healthy, String(i))
  }
  t.true(broker.metrics().dropped > 0)
  t.is(broker.metrics().clientsGivenUp, 0)
})
